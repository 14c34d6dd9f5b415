/** Task contexts of the memory backend (T1-T3). */
import { randomUUID } from "node:crypto";
import type { TaskContextDriver } from "../../domain/driver/storage-driver.js";
import { newestDroppedVersion, nextContextVersion } from "../../domain/task-contexts.js";
import { checkFence } from "./leases.js";
import { joinContext, touchSession } from "./session-entries.js";
import type { ContextEntry, MemoryStore, SessionEntry, Tenant } from "./state.js";
import { enter, existingSession, liveSession } from "./state.js";

export function taskContextVerbs(store: MemoryStore): TaskContextDriver {
  return {
    async storeContext(call, sessionId, { context, sizeBytes, metadata, expectedVersion }, fence) {
      const { tenant, now } = enter(store, call);
      const session = existingSession(tenant, sessionId, now);
      checkFence(tenant, fence, now);
      const version = nextContextVersion(session.context?.versions.at(-1)?.version ?? 0, expectedVersion);
      const stored = { version, context, sizeBytes, metadata, createdAt: now };
      const shared = contextOf(tenant, session);
      const dropped = newestDroppedVersion(version, store.keepVersions);
      shared.versions = [...shared.versions.filter((each) => each.version > dropped), stored];
      touchSession(tenant, session, now);
      return stored;
    },

    async getContext(call, sessionId, version) {
      const { tenant, now } = enter(store, call);
      const versions = liveSession(tenant, sessionId, now)?.context?.versions;
      return version === null ? versions?.at(-1) : versions?.find((each) => each.version === version);
    },

    async listContexts(call, sessionId, { limit, before }) {
      const { tenant, now } = enter(store, call);
      const versions = liveSession(tenant, sessionId, now)?.context?.versions ?? [];
      return versions
        .filter(({ version }) => before === null || version < before)
        .reverse()
        .slice(0, limit)
        .map((stored) => ({ ...stored, context: null }));
    },

    async shareContext(call, fromSessionId, withSessionId) {
      const { tenant, now } = enter(store, call);
      const from = existingSession(tenant, fromSessionId, now);
      const other = existingSession(tenant, withSessionId, now);
      joinContext(tenant, other, contextOf(tenant, from));
      touchSession(tenant, other, now);
    },
  };
}

/** The session's context; it begins without a version. */
function contextOf(tenant: Tenant, session: SessionEntry): ContextEntry {
  if (session.context !== null) return session.context;
  const context: ContextEntry = { contextId: randomUUID(), versions: [], sessions: new Set() };
  tenant.contexts.add(context);
  joinContext(tenant, session, context);
  return context;
}
