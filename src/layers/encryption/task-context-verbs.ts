/**
 * Task contexts: each version is sealed and bound to its number and to who has stored it. The number is known ahead because a
 * version is stored by compare-and-set; where the caller sets no condition, it is tried again until it is the next one.
 */
import type { CallOptions } from "../../contract/call.js";
import { ConflictError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type {
  GetTaskContextOptions,
  ListTaskContextVersionsOptions,
  StoreTaskContextOptions,
  TaskContextInfo,
  TaskContextStorage,
} from "../../contract/task-context-storage.js";
import { knownOptions } from "../../domain/arguments.js";
import { decodeValue, encodeValue } from "../../domain/codec/codec.js";
import { identifier } from "../../domain/identifiers.js";
import { CallTime } from "./call-time.js";
import { contextPlace } from "./places.js";
import { openedMetadata, openVersion, type SealedVersion, sealedMetadata } from "./sealed-context.js";
import { sessionLabel, type TenantSeals } from "./tenant-seals.js";

export function taskContextVerbs(inner: StorageBackend, seals: TenantSeals): TaskContextStorage {
  const store = async (
    sessionId: string,
    { text, metadata }: { readonly text: string; readonly metadata: string | undefined },
    version: number,
    options: StoreTaskContextOptions,
  ): Promise<TaskContextInfo> => {
    const label = sessionLabel(sessionId);
    const stored: SealedVersion = [label, seals.sealText(text, contextPlace(label, version))];
    const info = await inner.storeTaskContext(sessionId, stored, {
      ...options,
      ...(metadata === undefined ? {} : { metadata: sealedMetadata(seals, metadata, label, version) }),
      expectedVersion: version - 1,
    });
    return openedInfo(seals, info);
  };
  return {
    storeTaskContext: async (sessionId: string, context: unknown, options?: StoreTaskContextOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["expectedVersion", "metadata", "lease"]);
      const time = new CallTime(inner, known);
      const content = { text: encodeValue(context), metadata: seals.metadataText(options?.metadata) };
      const wait = seals.ready();
      const given = wait === undefined ? (options ?? {}) : seals.plainCopy({ ...options });
      if (wait !== undefined) await wait;
      const expected = given.expectedVersion;
      if (expected !== undefined && Number.isSafeInteger(expected)) {
        return store(id, content, expected + 1, given);
      }
      // What is no number is the store's to refuse.
      if (expected !== undefined) return inner.storeTaskContext(id, null, given);
      for (;;) {
        const [newest] = await inner.listTaskContextVersions(id, { ...time.options(), limit: 1 });
        try {
          return await store(id, content, (newest?.version ?? 0) + 1, { ...given, ...time.options() });
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          await time.backOff();
        }
      }
    },

    getTaskContext: async (sessionId: string, options?: GetTaskContextOptions) => {
      const found = await inner.getTaskContext(sessionId, options);
      if (found === undefined) return undefined;
      const opened = await openVersion(seals, found.context, found.version);
      if (opened === undefined) return found;
      await seals.assertShared(found.sessionId, opened.label, opened.what, new CallTime(inner, options).options());
      return { ...(await openedInfo(seals, found)), context: decodeValue(opened.text) };
    },

    listTaskContextVersions: async (sessionId: string, options?: ListTaskContextVersionsOptions) => {
      const versions = await inner.listTaskContextVersions(sessionId, options);
      return Promise.all(versions.map((version) => openedInfo(seals, version)));
    },

    shareTaskContext: async (fromSessionId: string, withSessionId: string, options?: CallOptions) => {
      const from = identifier(fromSessionId, "fromSessionId");
      const to = identifier(withSessionId, "withSessionId");
      knownOptions(options, []);
      if (from === to) return inner.shareTaskContext(from, to, options);
      const time = new CallTime(inner, options);
      const label = sessionLabel(from);
      const labels = [label, ...(await seals.grants.of("session", label, time.options()))];
      // First the grant: a session that shares a context can read it from the first moment.
      await seals.grants.add("session", sessionLabel(to), labels, time);
      return inner.shareTaskContext(from, to, time.options());
    },
  };
}

async function openedInfo<T extends TaskContextInfo>(seals: TenantSeals, info: T): Promise<T> {
  return { ...info, metadata: await openedMetadata(seals, info.metadata, info.version) };
}
