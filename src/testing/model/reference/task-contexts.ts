/** Task contexts in the reference model (T1-T3). */
import type { TaskContextInfo } from "../../../contract/task-context-storage.js";
import type { ModelVerbs } from "../verbs.js";
import { checkFence } from "./leases.js";
import { sessionToWrite, touch } from "./sessions.js";
import type { ModelContextVersion, TenantState } from "./state.js";
import { copy, Refusal, storedMetadata } from "./state.js";

const KEPT_VERSIONS = 20;

export function taskContextVerbs(
  state: TenantState,
): ModelVerbs<"storeTaskContext" | "getTaskContext" | "listTaskContextVersions" | "shareTaskContext"> {
  return {
    storeTaskContext(sessionId, context, { expectedVersion, metadata, lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      const shared = session.context;
      if (expectedVersion !== undefined && expectedVersion !== shared.lastVersion) throw new Refusal("CONFLICT");
      shared.lastVersion += 1;
      const stored = {
        version: shared.lastVersion,
        context: copy(context),
        metadata: storedMetadata(metadata),
        createdAt: state.now(),
      };
      shared.versions = [...shared.versions, stored].slice(-KEPT_VERSIONS);
      touch(session, state.now());
      return presentInfo(sessionId, stored);
    },

    getTaskContext(sessionId, { version } = {}) {
      const versions = state.sessions.get(sessionId)?.context.versions ?? [];
      const found = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version);
      return found && { ...presentInfo(sessionId, found), context: copy(found.context) };
    },

    listTaskContextVersions(sessionId, { limit = 20, before } = {}) {
      const versions = state.sessions.get(sessionId)?.context.versions ?? [];
      return versions
        .filter(({ version }) => before === undefined || version < before)
        .reverse()
        .slice(0, limit)
        .map((each) => presentInfo(sessionId, each));
    },

    shareTaskContext(fromSessionId, withSessionId) {
      const from = sessionToWrite(state, fromSessionId);
      const other = sessionToWrite(state, withSessionId);
      other.context = from.context;
      touch(other, state.now());
    },
  };
}

function presentInfo(sessionId: string, { version, metadata, createdAt }: ModelContextVersion): TaskContextInfo {
  return { sessionId, version, metadata: copy(metadata), createdAt: new Date(createdAt), sizeBytes: 0 };
}
