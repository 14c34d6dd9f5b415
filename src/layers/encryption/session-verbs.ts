/** Sessions: their metadata is sealed where it is asked for, all else is as the store has it. */
import type { CallOptions } from "../../contract/call.js";
import { UnsupportedError } from "../../contract/errors.js";
import type { MetadataFilter, MetadataInput } from "../../contract/json.js";
import type {
  CleanupOptions,
  CreateSessionOptions,
  NewSession,
  Session,
  SessionEndStatus,
  SessionQuery,
  SessionStorage,
  SessionUpdate,
  UpdateSessionOptions,
} from "../../contract/session-storage.js";
import { identifier } from "../../domain/identifiers.js";
import { Intake } from "../../domain/intake.js";
import { listOf, MAX_SESSIONS } from "../../domain/lists.js";
import { parseMetadataFilter } from "../../domain/metadata-filter.js";
import { sessionMetadataPlace } from "./places.js";
import type { TenantSeals } from "./tenant-seals.js";

export function sessionVerbs(inner: SessionStorage, seals: TenantSeals): SessionStorage {
  const opened = async (session: Session): Promise<Session> => ({
    ...session,
    metadata: await seals.openMetadataKeys(session.metadata, sessionMetadataPlace(session.sessionId)),
  });
  /** What the store is given; at once, unless metadata has to be sealed. */
  const sealed = <T extends { readonly metadata?: MetadataInput | undefined }>(
    sessionId: unknown,
    name: string,
    fields: T,
    metadataName?: string,
    intake?: Intake,
  ): T | Promise<T> => {
    const text = seals.metadataText(fields?.metadata, metadataName, intake);
    if (text === undefined) return fields;
    const place = sessionMetadataPlace(identifier(sessionId, name));
    const rest = { ...fields };
    const seal = (): T => ({ ...rest, metadata: seals.sealMetadataKeys(text, place) });
    return seals.ready()?.then(seal) ?? seal();
  };
  return {
    createSession: async (sessionId: string, userId: string, options?: CreateSessionOptions) =>
      opened(
        await after(options && sealed<CreateSessionOptions>(sessionId, "sessionId", options), (given) =>
          inner.createSession(sessionId, userId, given),
        ),
      ),

    getSession: async (sessionId: string, options?: CallOptions) => {
      const session = await inner.getSession(sessionId, options);
      return session === undefined ? undefined : opened(session);
    },

    updateSession: async (sessionId: string, update: SessionUpdate, options?: UpdateSessionOptions) =>
      opened(
        await after(sealed<SessionUpdate>(sessionId, "sessionId", update), (given) =>
          inner.updateSession(sessionId, given, options),
        ),
      ),

    endSession: async (sessionId: string, status?: SessionEndStatus, options?: UpdateSessionOptions) =>
      opened(await inner.endSession(sessionId, status, options)),

    listSessions: async (query?: SessionQuery) => {
      assertNoFilter(seals, query?.metadata);
      const page = await inner.listSessions(query);
      return { ...page, items: await Promise.all(page.items.map(opened)) };
    },

    deleteSession: (sessionId: string, options?: CallOptions) => inner.deleteSession(sessionId, options),

    batchCreateSessions: async (sessions: readonly NewSession[], options?: CallOptions) => {
      const isSealed = seals.rules.metadata && Array.isArray(sessions);
      const intake = new Intake();
      const given = !isSealed
        ? sessions
        : Promise.all(
            Array.from(listOf(sessions, "sessions", MAX_SESSIONS) as readonly NewSession[], (each, i) =>
              sealed<NewSession>(each?.sessionId, `sessions[${i}].sessionId`, each, `sessions[${i}].metadata`, intake),
            ),
          );
      const created = await after(given, (all) => inner.batchCreateSessions(all, options));
      return Promise.all(created.map(opened));
    },

    batchGetSessions: async (sessionIds: readonly string[], options?: CallOptions) =>
      Promise.all(
        (await inner.batchGetSessions(sessionIds, options)).map((session) =>
          session === undefined ? undefined : opened(session),
        ),
      ),

    cleanupExpiredSessions: (options?: CleanupOptions) => inner.cleanupExpiredSessions(options),
  };
}

/** Goes on at once with what is at hand: what the caller gave is read before he can change it. */
function after<T, R>(value: T | Promise<T>, then: (value: T) => Promise<R>): Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** @throws UnsupportedError for a filter of metadata that is encrypted */
export function assertNoFilter(seals: TenantSeals, filter: MetadataFilter | undefined): void {
  if (seals.rules.metadata && parseMetadataFilter(filter).length > 0) {
    throw new UnsupportedError("metadata is encrypted, so that nothing can be found by it");
  }
}
