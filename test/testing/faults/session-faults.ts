// Faults of sessions.
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredSession } from "../../../src/domain/driver/stored.js";
import { assertSamePayload } from "../../../src/domain/sessions.js";
import { driverFault, type Fault, keyOf, meanwhile, ofEveryTenant } from "./fault.js";

const MOST = 1_000;

/** All rows of a listing's filter, whatever its page. */
async function everyRow(
  driver: StorageDriver,
  call: Parameters<StorageDriver["listSessions"]>[0],
  listing: Parameters<StorageDriver["listSessions"]>[1],
): Promise<StoredSession[]> {
  return (await driver.listSessions(call, { ...listing, after: null, limit: MOST })).rows;
}

export const SESSION_FAULTS: readonly Fault[] = [
  driverFault("createSession overwrites what is there", ["S1"], (driver) => ({
    createSession: async (call, session) => {
      await driver.deleteSession(call, session.sessionId);
      return driver.createSession(call, session);
    },
  })),

  driverFault("createSession looks first and creates in a second step", ["S1"], (driver) => ({
    createSession: async (call, session) => {
      const [stored] = await driver.getSessions(call, [session.sessionId]);
      if (stored !== undefined) return { created: false, session: stored };
      await meanwhile();
      await driver.deleteSession(call, session.sessionId);
      return driver.createSession(call, session);
    },
  })),

  driverFault("batchCreateSessions creates one after another and stops at the first that exists", ["S1"], (driver) => ({
    createSessions: async (call, sessions) => {
      const created: StoredSession[] = [];
      for (const each of sessions) {
        const result = await driver.createSession(call, each);
        if (!result.created) return { exists: each.sessionId };
        created.push(result.session);
      }
      return { sessions: created };
    },
  })),

  driverFault("an increment is read, added to and written in three steps", ["S2"], (driver) => ({
    updateSession: async (call, sessionId, change, fence) => {
      const [before] = await driver.getSessions(call, [sessionId]);
      await meanwhile();
      const [now] = await driver.getSessions(call, [sessionId]);
      // What others added meanwhile is written over.
      const lost = (now?.requestCount ?? 0) - (before?.requestCount ?? 0);
      return driver.updateSession(call, sessionId, { ...change, addRequests: change.addRequests - lost }, fence);
    },
  })),

  driverFault("processing time is rounded to whole seconds", ["S3"], (driver) => ({
    updateSession: (call, sessionId, change, fence) =>
      driver.updateSession(
        call,
        sessionId,
        { ...change, addProcessingTime: Math.round(change.addProcessingTime) },
        fence,
      ),
  })),

  driverFault("expectedVersion is ignored", ["S4"], (driver) => ({
    updateSession: (call, sessionId, change, fence) =>
      driver.updateSession(call, sessionId, { ...change, expectedVersion: null }, fence),
  })),

  driverFault("updatedAt follows a clock that steps back", ["S4"], (driver, clock) => {
    const written = new Map<string, { readonly right: number; readonly shown: number }>();
    return {
      updateSession: async (call, sessionId, change, fence) => {
        const session = await driver.updateSession(call, sessionId, change, fence);
        written.set(keyOf(call, sessionId), { right: session.updatedAt, shown: clock.now() });
        return { ...session, updatedAt: clock.now() };
      },
      getSessions: async (call, ids) =>
        (await driver.getSessions(call, ids)).map((each) => {
          const times = each && written.get(keyOf(call, each.sessionId));
          return each && { ...each, updatedAt: times?.right === each.updatedAt ? times.shown : each.updatedAt };
        }),
    };
  }),

  driverFault("updatedAt does not move with messages", ["S4"], (driver) => {
    const before = new Map<string, number>();
    return {
      addMessages: async (call, sessionId, messages, fence) => {
        const [session] = await driver.getSessions(call, [sessionId]);
        if (session !== undefined && !before.has(keyOf(call, sessionId))) {
          before.set(keyOf(call, sessionId), session.updatedAt);
        }
        return driver.addMessages(call, sessionId, messages, fence);
      },
      getSessions: async (call, ids) =>
        (await driver.getSessions(call, ids)).map(
          (each) => each && { ...each, updatedAt: before.get(keyOf(call, each.sessionId)) ?? each.updatedAt },
        ),
    };
  }),

  driverFault("an idempotency key is ignored", ["S5"], (driver) => ({
    updateSession: (call, sessionId, change, fence) =>
      driver.updateSession(call, sessionId, { ...change, idempotency: null }, fence),
  })),

  driverFault("an idempotency key is remembered for ever", ["S5"], (driver) => {
    const first = new Map<string, { readonly digest: string; readonly result: StoredSession }>();
    return {
      updateSession: async (call, sessionId, change, fence) => {
        if (change.idempotency === null) return driver.updateSession(call, sessionId, change, fence);
        const { key, digest } = change.idempotency;
        const used = first.get(keyOf(call, sessionId, key));
        if (used !== undefined) {
          assertSamePayload(used.digest, digest);
          return used.result;
        }
        const result = await driver.updateSession(call, sessionId, change, fence);
        first.set(keyOf(call, sessionId, key), { digest, result });
        return result;
      },
    };
  }),

  driverFault("an idempotency key takes any payload", ["S5"], (driver) => ({
    updateSession: (call, sessionId, change, fence) => {
      const idempotency = change.idempotency && { ...change.idempotency, digest: "any" };
      return driver.updateSession(call, sessionId, { ...change, idempotency }, fence);
    },
  })),

  driverFault("listSessions ignores the metadata filter", ["S7"], (driver) => ({
    listSessions: (call, listing) => driver.listSessions(call, { ...listing, metadata: [] }),
  })),

  driverFault("a metadata filter compares values as text", ["S7"], (driver) => ({
    listSessions: async (call, listing) => {
      const { rows } = await driver.listSessions(call, { ...listing, metadata: [], limit: MOST });
      const found = rows.filter(({ metadata }) => {
        const stored = JSON.parse(metadata) as { [key: string]: unknown };
        return listing.metadata.every(
          ([key, value]) => Object.hasOwn(stored, key) && String(stored[key]) === String(value),
        );
      });
      return { rows: found.slice(0, listing.limit), more: found.length > listing.limit };
    },
  })),

  driverFault("listSessions ignores the status filter", ["S7"], (driver) => ({
    listSessions: (call, listing) => driver.listSessions(call, { ...listing, statuses: null }),
  })),

  driverFault("listSessions ignores the end of a time range", ["S7"], (driver) => ({
    listSessions: (call, listing) => driver.listSessions(call, { ...listing, createdTo: null, updatedTo: null }),
  })),

  driverFault("a cursor skips a row", ["S7"], (driver) => ({
    listSessions: async (call, listing) => {
      if (listing.after === null) return driver.listSessions(call, listing);
      const { rows, more } = await driver.listSessions(call, { ...listing, limit: listing.limit + 1 });
      return { rows: rows.slice(1), more };
    },
  })),

  driverFault("a cursor repeats a row", ["S7"], (driver) => ({
    listSessions: async (call, listing) => {
      const rows = await everyRow(driver, call, listing);
      const from = listing.after === null ? 0 : rows.findIndex(({ sessionId }) => sessionId === listing.after?.id);
      return { rows: rows.slice(from, from + listing.limit), more: rows.length > from + listing.limit };
    },
  })),

  driverFault("a cursor counts rows instead of keeping a place", ["S7"], (driver) => {
    const places = new Map<string, number>();
    return {
      listSessions: async (call, listing) => {
        const rows = await everyRow(driver, call, listing);
        const from = listing.after === null ? 0 : (places.get(keyOf(call, listing.after.id)) ?? 0);
        const page = rows.slice(from, from + listing.limit);
        const last = page.at(-1);
        if (last !== undefined) places.set(keyOf(call, last.sessionId), from + page.length);
        return { rows: page, more: rows.length > from + listing.limit };
      },
    };
  }),

  driverFault("ties are ordered by UTF-16 unit", ["S7"], (driver) => ({
    listSessions: async (call, listing) => {
      const sign = listing.direction === "asc" ? 1 : -1;
      const rows = await everyRow(driver, call, listing);
      rows.sort((a, b) => sign * (a[listing.orderBy] - b[listing.orderBy] || (a.sessionId < b.sessionId ? -1 : 1)));
      const from = listing.after === null ? 0 : rows.findIndex(({ sessionId }) => sessionId === listing.after?.id) + 1;
      return { rows: rows.slice(from, from + listing.limit), more: rows.length > from + listing.limit };
    },
  })),

  driverFault("listSessions forgets the tenant", ["I2"], (driver, _clock, tenants) => ({
    listSessions: async (call, listing) => {
      const rows = await ofEveryTenant(tenants, call, async (each) => (await driver.listSessions(each, listing)).rows);
      return { rows: rows.slice(0, listing.limit), more: rows.length > listing.limit };
    },
  })),

  driverFault("an expired session is still listed", ["S8"], (driver, clock) => {
    const lives = new Map<string, number>();
    const withLife = (key: string, session: StoredSession): StoredSession => ({
      ...session,
      ttlMs: lives.get(key) ?? null,
    });
    return {
      createSession: async (call, session) => {
        const { created, session: stored } = await driver.createSession(call, { ...session, ttlMs: null });
        const key = keyOf(call, session.sessionId);
        if (created && session.ttlMs !== null) lives.set(key, session.ttlMs);
        return { created, session: withLife(key, stored) };
      },
      getSessions: async (call, ids) =>
        (await driver.getSessions(call, ids)).map((each) => {
          const session = each && withLife(keyOf(call, each.sessionId), each);
          const isOver = session?.ttlMs != null && clock.now() >= session.updatedAt + session.ttlMs;
          return isOver ? undefined : session;
        }),
    };
  }),

  driverFault("the time to live counts from the creation", ["S8"], (driver, clock) => ({
    getSessions: async (call, ids) =>
      (await driver.getSessions(call, ids)).map((each) =>
        each?.ttlMs != null && clock.now() >= each.createdAt + each.ttlMs ? undefined : each,
      ),
  })),

  driverFault("a dry cleanup removes", ["S8"], (driver) => ({
    cleanupSessions: (call, cleanup) => driver.cleanupSessions(call, { ...cleanup, dryRun: false }),
  })),

  driverFault("a cleanup removes one batch and stops", ["S8"], (driver) => ({
    cleanupSessions: async (call, cleanup) => {
      const due = await driver.cleanupSessions(call, { ...cleanup, dryRun: true });
      if (cleanup.dryRun || due <= cleanup.batchSize) return driver.cleanupSessions(call, cleanup);
      const any = { userId: null, statuses: null, metadata: [], createdFrom: null, createdTo: null, updatedFrom: null };
      const idle = { ...any, updatedTo: cleanup.idleBefore + 1, orderBy: "createdAt", direction: "asc" } as const;
      const { rows } = await driver.listSessions(call, { ...idle, after: null, limit: cleanup.batchSize });
      for (const { sessionId } of rows) await driver.deleteSession(call, sessionId);
      return rows.length;
    },
  })),

  driverFault("metadata is replaced instead of merged", ["S9"], (driver) => ({
    updateSession: async (call, sessionId, change, fence) => {
      const [stored] = await driver.getSessions(call, [sessionId]);
      const all = change.mergeMetadata === null ? [] : Object.keys(JSON.parse(stored?.metadata ?? "{}") as object);
      const others = all.filter((key) => !Object.hasOwn(change.mergeMetadata ?? {}, key));
      const unsetMetadata = [...change.unsetMetadata, ...others];
      return driver.updateSession(call, sessionId, { ...change, unsetMetadata }, fence);
    },
  })),

  driverFault("keys are unset before the merge", ["S9"], (driver) => ({
    updateSession: (call, sessionId, change, fence) => {
      const unsetMetadata = change.unsetMetadata.filter((key) => !Object.hasOwn(change.mergeMetadata ?? {}, key));
      return driver.updateSession(call, sessionId, { ...change, unsetMetadata }, fence);
    },
  })),

  driverFault("an end overwrites another end", ["S4", "S11"], (driver) => ({
    endSession: async (call, sessionId, status, fence) => {
      const [stored] = await driver.getSessions(call, [sessionId]);
      if (stored === undefined || stored.status === status) return driver.endSession(call, sessionId, status, fence);
      const nothing = { mergeMetadata: null, unsetMetadata: [], addRequests: 0, addProcessingTime: 0, addErrors: 0 };
      const change = { ...nothing, status, expectedVersion: null, idempotency: null };
      return driver.updateSession(call, sessionId, change, fence);
    },
  })),
];
