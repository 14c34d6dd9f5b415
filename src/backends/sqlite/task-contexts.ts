/** Task contexts of the SQLite backend (T1-T3). */

import { randomUUID } from "node:crypto";
import { isLong } from "../../domain/codec/long-text.js";
import type { TaskContextDriver } from "../../domain/driver/storage-driver.js";
import { newestDroppedVersion, nextContextVersion } from "../../domain/task-contexts.js";
import type { Connection } from "./connection/connection.js";
import {
  dropVersions,
  insertContext,
  newestVersion,
  putVersion,
  selectVersion,
  selectVersions,
} from "./context-rows.js";
import { discardUnusedContext, hasGarbage, newBatch } from "./garbage.js";
import { assertFence } from "./lease-rows.js";
import { longTexts } from "./long-text.js";
import { storeTexts } from "./long-text-rows.js";
import { existingHead, liveHead, type SessionHead, touchSession } from "./session-rows.js";
import type { OpenFile } from "./store.js";

export function taskContextVerbs(file: () => OpenFile): TaskContextDriver {
  return {
    async storeContext(call, sessionId, { context, sizeBytes, metadata, expectedVersion }, fence) {
      const long = isLong(context) ? await longTexts(call, [context], () => [context, metadata]) : new Map();
      return file().writeSized(call, { rows: 1, characters: context.length }, function* (tx, tenant) {
        const now = file().now();
        const session = existingHead(tx, tenant, sessionId, now);
        assertFence(tx, tenant, fence, now);
        const newest = session.context === null ? 0 : newestVersion(tx, session.context);
        const version = nextContextVersion(newest, expectedVersion);
        const [text] = (yield* storeTexts(tx, long)).values();
        const stored = { version, context, sizeBytes, metadata, createdAt: now };
        const dropped = newestDroppedVersion(version, file().options.keepVersions);
        const id = contextOf(tx, tenant, session);
        putVersion(tx, id, stored, text);
        if (dropped > 0) yield* dropVersions(tx, id, dropped);
        touchSession(tx, session, now);
        yield;
        return stored;
      });
    },

    getContext: (call, sessionId, version) =>
      file().readInSteps(call, function* (db, tenant) {
        const session = liveHead(db, tenant, sessionId, file().now());
        return session === undefined || session.context === null
          ? undefined
          : yield* selectVersion(db, session.context, version);
      }),

    listContexts: (call, sessionId, { limit, before }) =>
      file().readInSteps(call, function* (db, tenant) {
        const context = liveHead(db, tenant, sessionId, file().now())?.context ?? null;
        return context === null ? [] : yield* selectVersions(db, context, before, limit);
      }),

    async shareContext(call, fromSessionId, withSessionId) {
      const left = await file().write(call, (tx, tenant) => {
        const now = file().now();
        const from = existingHead(tx, tenant, fromSessionId, now);
        const other = existingHead(tx, tenant, withSessionId, now);
        const shared = contextOf(tx, tenant, from);
        const batch = newBatch(tx);
        if (other.context !== shared) {
          tx.run("UPDATE sessions SET context = ? WHERE id = ?", shared, other.id);
          if (other.context !== null) discardUnusedContext(tx, batch, other.context);
        }
        touchSession(tx, other, now);
        return hasGarbage(tx, batch) ? batch : null;
      });
      if (left !== null) await file().maintenance.sweep(call, left);
    },
  };
}

/** The session's context; it begins without a version. */
function contextOf(tx: Connection, tenant: number, session: SessionHead): number {
  if (session.context !== null) return session.context;
  const context = insertContext(tx, tenant, randomUUID());
  tx.run("UPDATE sessions SET context = ? WHERE id = ?", context, session.id);
  return context;
}
