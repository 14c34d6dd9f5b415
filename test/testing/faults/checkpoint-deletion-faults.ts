// Faults of deleting checkpoints by name: what stays behind, and what goes that should not.
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import type { Call } from "../../../src/domain/driver/call.js";
import type { DeletionCounts, StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../../src/domain/driver/stored.js";
import { callOf, driverFault, type Fault, keyOf, pause } from "./fault.js";

const ALL = { namespace: null, limit: 10_000, before: null, metadata: [], data: true, writes: true } as const;

const THREADS = { sessionId: null, orderBy: "createdAt", direction: "asc", limit: 1_000, after: null } as const;

/** Stores a checkpoint again as it was. */
function storeAgain(driver: StorageDriver, call: Call, threadId: string, stored: StoredCheckpoint) {
  const checkpoint = { ...stored, data: EncodedText.of(String(stored.data ?? "")), expectedHead: undefined };
  return driver.storeCheckpoint(call, threadId, checkpoint, null);
}

function sumOf(a: DeletionCounts, b: DeletionCounts): DeletionCounts {
  return {
    removedCheckpoints: a.removedCheckpoints + b.removedCheckpoints,
    removedWrites: a.removedWrites + b.removedWrites,
    removedBytes: a.removedBytes + b.removedBytes,
    kept: [...a.kept, ...b.kept],
  };
}

export const CHECKPOINT_DELETION_FAULTS: readonly Fault[] = [
  driverFault("deleteCheckpoints leaves the writes", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const { namespace } = target;
      const left = new Map<string, Awaited<ReturnType<StorageDriver["getWrites"]>>>();
      for (const checkpointId of target.checkpointIds) {
        left.set(checkpointId, await driver.getWrites(call, threadId, { namespace, checkpointId }));
      }
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      for (const [checkpointId, writes] of left) {
        const place = { namespace, checkpointId, overwrite: false };
        if (writes.length > 0) await driver.putWrites(call, threadId, place, writes, null);
      }
      return counts;
    },
  })),

  driverFault("deleteCheckpoints leaves writes that wait for their checkpoint", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const stored = await driver.listCheckpoints(call, threadId, { ...ALL, namespace: target.namespace });
      const there = new Set(stored.map(({ checkpointId }) => checkpointId));
      const checkpointIds = target.checkpointIds.filter((id) => there.has(id));
      return driver.deleteCheckpoints(call, threadId, { ...target, checkpointIds }, fence);
    },
  })),

  driverFault("deleteCheckpoints removes what another one needs", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      if (counts.kept.length === 0) return counts;
      const all = await driver.listCheckpoints(call, threadId, { ...ALL, namespace: target.namespace });
      for (const each of all) await storeAgain(driver, call, threadId, { ...each, needsParent: false });
      const more = await driver.deleteCheckpoints(call, threadId, { ...target, checkpointIds: counts.kept }, null);
      for (const each of all) {
        if (!counts.kept.includes(each.checkpointId)) await storeAgain(driver, call, threadId, each);
      }
      return { ...sumOf(counts, more), kept: [] };
    },
  })),

  driverFault("deleteCheckpoints keeps the parent of every checkpoint, needed or not", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const all = await driver.listCheckpoints(call, threadId, { ...ALL, namespace: target.namespace });
      const parents = new Set(
        all.filter(({ checkpointId }) => !target.checkpointIds.includes(checkpointId)).map(({ parentId }) => parentId),
      );
      const checkpointIds = target.checkpointIds.filter((id) => !parents.has(id));
      const counts = await driver.deleteCheckpoints(call, threadId, { ...target, checkpointIds }, fence);
      return { ...counts, kept: target.checkpointIds.filter((id) => parents.has(id)) };
    },
  })),

  driverFault("deleteCheckpoints removes one after the other", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      let total: DeletionCounts = { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };
      for (const id of target.checkpointIds) {
        total = sumOf(total, await driver.deleteCheckpoints(call, threadId, { ...target, checkpointIds: [id] }, fence));
        await pause();
      }
      return total;
    },
  })),

  driverFault("deleteCheckpoints looks at the root namespace alone", ["K9", "I2"], (driver) => ({
    deleteCheckpoints: (call, threadId, target, fence) =>
      driver.deleteCheckpoints(call, threadId, { ...target, namespace: "" }, fence),
  })),

  driverFault("deleteCheckpoints removes from every namespace", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      const all = await driver.listCheckpoints(call, threadId, ALL);
      for (const namespace of new Set(all.map((each) => each.namespace))) {
        if (namespace !== target.namespace)
          await driver.deleteCheckpoints(call, threadId, { ...target, namespace }, null);
      }
      return counts;
    },
  })),

  driverFault("deleteCheckpoints forgets to name its tenant", ["K9", "I2"], (driver, _clock, tenants) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      for (const tenant of tenants) await driver.deleteCheckpoints(callOf(call, tenant), threadId, target, null);
      return counts;
    },
  })),

  driverFault("deleteCheckpoints forgets to name its thread", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      for (const each of (await driver.listThreads(call, THREADS)).rows) {
        await driver.deleteCheckpoints(call, each.threadId, target, null);
      }
      return counts;
    },
  })),

  driverFault("deleteCheckpoints reaches copies of the thread", ["K9"], (driver) => {
    const copies = new Map<string, string>();
    return {
      copyThread: (call, from, to) => {
        copies.set(keyOf(call, from), to);
        return driver.copyThread(call, from, to);
      },
      deleteCheckpoints: async (call, threadId, target, fence) => {
        const copy = copies.get(keyOf(call, threadId));
        if (copy !== undefined) await driver.deleteCheckpoints(call, copy, target, null);
        return driver.deleteCheckpoints(call, threadId, target, fence);
      },
    };
  }),

  driverFault("the latest is still the one that was deleted", ["K9"], (driver) => {
    const heads = new Map<string, string>();
    return {
      storeCheckpoint: async (call, threadId, checkpoint, fence) => {
        const stored = await driver.storeCheckpoint(call, threadId, checkpoint, fence);
        heads.set(keyOf(call, threadId, checkpoint.namespace), checkpoint.checkpointId);
        return stored;
      },
      getCheckpoint: (call, threadId, wanted) => {
        const head = heads.get(keyOf(call, threadId, wanted.namespace)) ?? null;
        return driver.getCheckpoint(call, threadId, { ...wanted, checkpointId: wanted.checkpointId ?? head });
      },
    };
  }),

  driverFault("expectedHead still means the one that was deleted", ["K9"], (driver) => {
    const deleted = new Set<string>();
    return {
      deleteCheckpoints: (call, threadId, target, fence) => {
        for (const id of target.checkpointIds) deleted.add(keyOf(call, threadId, target.namespace, id));
        return driver.deleteCheckpoints(call, threadId, target, fence);
      },
      storeCheckpoint: (call, threadId, checkpoint, fence) => {
        const { expectedHead, namespace } = checkpoint;
        const isGone = typeof expectedHead === "string" && deleted.has(keyOf(call, threadId, namespace, expectedHead));
        const change = isGone ? { expectedHead: undefined } : {};
        return driver.storeCheckpoint(call, threadId, { ...checkpoint, ...change }, fence);
      },
    };
  }),

  driverFault("deleteCheckpoints never takes a head", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const wanted = { namespace: target.namespace, checkpointId: null, writes: false, ifNoneMatch: null };
      const head = await driver.getCheckpoint(call, threadId, wanted);
      const checkpointIds = target.checkpointIds.filter((id) => id !== head?.checkpointId);
      return driver.deleteCheckpoints(call, threadId, { ...target, checkpointIds }, fence);
    },
  })),

  driverFault("deleting gives the seq of the newest one free", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      if (counts.removedCheckpoints === 0) return counts;
      const left = await driver.listCheckpoints(call, threadId, ALL);
      await driver.deleteThread(call, threadId);
      for (const { writes, ...each } of left.toReversed()) {
        await storeAgain(driver, call, threadId, { ...each, writes });
        const { namespace, checkpointId } = each;
        await driver.putWrites(call, threadId, { namespace, checkpointId, overwrite: false }, writes ?? [], null);
      }
      return counts;
    },
  })),

  driverFault("deleting does not lower the count of a thread", ["K9"], (driver) => {
    const removed = new Map<string, number>();
    return {
      deleteCheckpoints: async (call, threadId, target, fence) => {
        const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
        const key = keyOf(call, threadId);
        removed.set(key, (removed.get(key) ?? 0) + counts.removedCheckpoints);
        return counts;
      },
      listThreads: async (call, listing) => {
        const { rows, more } = await driver.listThreads(call, listing);
        const counted = rows.map((row) => ({
          ...row,
          checkpointCount: row.checkpointCount + (removed.get(keyOf(call, row.threadId)) ?? 0),
        }));
        return { rows: counted, more };
      },
    };
  }),

  driverFault("deleting does not lower the count of the metrics", ["K9"], (driver) => {
    const removed = new Map<string, number>();
    return {
      deleteCheckpoints: async (call, threadId, target, fence) => {
        const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
        removed.set(call.tenant, (removed.get(call.tenant) ?? 0) + counts.removedCheckpoints);
        return counts;
      },
      metrics: async (call) => {
        const metrics = await driver.metrics(call);
        return { ...metrics, checkpoints: metrics.checkpoints + (removed.get(call.tenant) ?? 0) };
      },
    };
  }),

  driverFault("an empty thread goes with its last checkpoint", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      const left = await driver.listCheckpoints(call, threadId, ALL);
      if (left.length === 0) await driver.deleteThread(call, threadId);
      return counts;
    },
  })),

  driverFault("deleting what is not there makes a thread", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      await driver.putWrites(call, threadId, { ...target, checkpointId: "none", overwrite: false }, [], fence);
      return driver.deleteCheckpoints(call, threadId, target, fence);
    },
  })),

  driverFault("a deletion that finds nothing moves the session", ["S4"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      if (counts.removedCheckpoints > 0) return counts;
      await driver.putWrites(call, threadId, { ...target, checkpointId: "none", overwrite: false }, [], null);
      return counts;
    },
  })),

  driverFault("a deletion does not move the session", ["S4"], (driver) => {
    const before = new Map<string, number>();
    return {
      deleteCheckpoints: async (call, threadId, target, fence) => {
        for (const { sessionId } of (await driver.listThreads(call, THREADS)).rows) {
          const [session] = sessionId === null ? [] : await driver.getSessions(call, [sessionId]);
          if (session !== undefined) before.set(keyOf(call, session.sessionId), session.updatedAt);
        }
        return driver.deleteCheckpoints(call, threadId, target, fence);
      },
      getSessions: async (call, ids) =>
        (await driver.getSessions(call, ids)).map(
          (row) => row && { ...row, updatedAt: before.get(keyOf(call, row.sessionId)) ?? row.updatedAt },
        ),
    };
  }),

  driverFault("the report counts what was named and not what was there", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => ({
      ...(await driver.deleteCheckpoints(call, threadId, target, fence)),
      removedCheckpoints: target.checkpointIds.length,
    }),
  })),

  driverFault("the report names what was kept in another order", ["K9"], (driver) => ({
    deleteCheckpoints: async (call, threadId, target, fence) => {
      const counts = await driver.deleteCheckpoints(call, threadId, target, fence);
      return { ...counts, kept: counts.kept.toSorted() };
    },
  })),

  driverFault("an id that was deleted comes back with its old writes", ["K9"], (driver) => {
    const old = new Map<string, Awaited<ReturnType<StorageDriver["getWrites"]>>>();
    return {
      deleteCheckpoints: async (call, threadId, target, fence) => {
        const { namespace } = target;
        for (const checkpointId of target.checkpointIds) {
          const writes = await driver.getWrites(call, threadId, { namespace, checkpointId });
          old.set(keyOf(call, threadId, namespace, checkpointId), writes);
        }
        return driver.deleteCheckpoints(call, threadId, target, fence);
      },
      storeCheckpoint: async (call, threadId, checkpoint, fence) => {
        const stored = await driver.storeCheckpoint(call, threadId, checkpoint, fence);
        const { namespace, checkpointId } = checkpoint;
        const writes = old.get(keyOf(call, threadId, namespace, checkpointId)) ?? [];
        const place = { namespace, checkpointId, overwrite: false };
        if (writes.length > 0) await driver.putWrites(call, threadId, place, writes, null);
        return stored;
      },
    };
  }),

  driverFault("deleteCheckpoints takes any lease", ["L1"], (driver) => ({
    deleteCheckpoints: (call, threadId, target) => driver.deleteCheckpoints(call, threadId, target, null),
  })),
];
