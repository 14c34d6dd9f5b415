// Faults of threads and checkpoints.
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredCheckpoint, StoredWrite } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, keyOf, meanwhile, ofEveryTenant } from "./fault.js";

const ALL = { namespace: null, limit: 10_000, before: null, metadata: [], data: true, writes: true } as const;

export const CHECKPOINT_FAULTS: readonly Fault[] = [
  driverFault("a replaced checkpoint keeps its old state", ["K1"], (driver) => {
    const first = new Map<string, EncodedText>();
    return {
      storeCheckpoint: (call, threadId, checkpoint, fence) => {
        const key = keyOf(call, threadId, checkpoint.namespace, checkpoint.checkpointId);
        const data = first.get(key) ?? checkpoint.data;
        first.set(key, data);
        return driver.storeCheckpoint(call, threadId, { ...checkpoint, data }, fence);
      },
    };
  }),

  driverFault("a replaced checkpoint loses its state", ["K1"], (driver) => {
    const replaced = new Set<string>();
    return {
      storeCheckpoint: async (call, threadId, checkpoint, fence) => {
        const { namespace, checkpointId } = checkpoint;
        const target = { namespace, checkpointId, writes: false, ifNoneMatch: null };
        const stored = await driver.getCheckpoint(call, threadId, target);
        if (stored !== undefined) replaced.add(keyOf(call, threadId, stored.namespace, stored.checkpointId));
        return driver.storeCheckpoint(call, threadId, checkpoint, fence);
      },
      getCheckpoint: async (call, threadId, wanted) => {
        const found = await driver.getCheckpoint(call, threadId, wanted);
        const isLost = found !== undefined && replaced.has(keyOf(call, threadId, found.namespace, found.checkpointId));
        return isLost ? { ...found, data: null } : found;
      },
    };
  }),

  driverFault("a replaced checkpoint becomes the latest", ["K1"], (driver) => {
    const newest = new Map<string, string>();
    return {
      storeCheckpoint: (call, threadId, checkpoint, fence) => {
        newest.set(keyOf(call, threadId, checkpoint.namespace), checkpoint.checkpointId);
        return driver.storeCheckpoint(call, threadId, checkpoint, fence);
      },
      getCheckpoint: (call, threadId, wanted) =>
        driver.getCheckpoint(call, threadId, {
          ...wanted,
          checkpointId: wanted.checkpointId ?? newest.get(keyOf(call, threadId, wanted.namespace)) ?? null,
        }),
    };
  }),

  driverFault("the latest checkpoint is the one with the latest time", ["K2"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      if (wanted.checkpointId !== null) return driver.getCheckpoint(call, threadId, wanted);
      const all = await driver.listCheckpoints(call, threadId, { ...ALL, namespace: wanted.namespace });
      const [latest] = all.sort((a, b) => b.createdAt - a.createdAt || b.seq - a.seq);
      return latest && driver.getCheckpoint(call, threadId, { ...wanted, checkpointId: latest.checkpointId });
    },
  })),

  driverFault("the latest checkpoint is that of the whole thread", ["K2"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      if (wanted.checkpointId !== null) return driver.getCheckpoint(call, threadId, wanted);
      const [latest] = await driver.listCheckpoints(call, threadId, { ...ALL, limit: 1, writes: wanted.writes });
      return latest;
    },
  })),

  driverFault("listCheckpoints is oldest first", ["K2"], (driver) => ({
    listCheckpoints: async (call, threadId, listing) =>
      (await driver.listCheckpoints(call, threadId, listing)).reverse(),
  })),

  driverFault("listCheckpoints includes the checkpoint that before names", ["K2"], (driver) => ({
    listCheckpoints: (call, threadId, listing) =>
      driver.listCheckpoints(call, threadId, {
        ...listing,
        before: listing.before === null ? null : listing.before + 1,
      }),
  })),

  driverFault("listCheckpoints ignores the metadata filter", ["S7", "K2"], (driver) => ({
    listCheckpoints: (call, threadId, listing) => driver.listCheckpoints(call, threadId, { ...listing, metadata: [] }),
  })),

  driverFault("writes are lost when they come before their checkpoint", ["K3"], (driver) => ({
    putWrites: async (call, threadId, target, writes, fence) => {
      const checkpoint = await driver.getCheckpoint(call, threadId, { ...target, writes: false, ifNoneMatch: null });
      if (checkpoint !== undefined) await driver.putWrites(call, threadId, target, writes, fence);
    },
  })),

  driverFault("the last write of an index wins", ["K3"], (driver) => ({
    putWrites: (call, threadId, target, writes, fence) =>
      driver.putWrites(call, threadId, { ...target, overwrite: true }, writes, fence),
  })),

  driverFault("overwrite is ignored", ["K3"], (driver) => ({
    putWrites: (call, threadId, target, writes, fence) =>
      driver.putWrites(call, threadId, { ...target, overwrite: false }, writes, fence),
  })),

  driverFault("writes are ordered by UTF-16 unit", ["K3"], (driver) => {
    const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
    const sorted = (writes: readonly StoredWrite[]): StoredWrite[] =>
      [...writes].sort((a, b) => compare(a.taskPath, b.taskPath) || compare(a.taskId, b.taskId) || a.index - b.index);
    const withSorted = (found: StoredCheckpoint): StoredCheckpoint => ({
      ...found,
      writes: found.writes && sorted(found.writes),
    });
    return {
      getWrites: async (call, threadId, target) => sorted(await driver.getWrites(call, threadId, target)),
      getCheckpoint: async (call, threadId, wanted) => {
        const found = await driver.getCheckpoint(call, threadId, wanted);
        return found && withSorted(found);
      },
    };
  }),

  driverFault("writes are ordered by task and not by path", ["K3"], (driver) => ({
    getWrites: async (call, threadId, target) =>
      (await driver.getWrites(call, threadId, target)).sort(
        (a, b) => Buffer.compare(Buffer.from(a.taskId), Buffer.from(b.taskId)) || a.index - b.index,
      ),
  })),

  driverFault("getCheckpoint ignores the id that was asked for", ["K1", "K5"], (driver) => ({
    getCheckpoint: (call, threadId, wanted) => driver.getCheckpoint(call, threadId, { ...wanted, checkpointId: null }),
  })),

  driverFault("a state is called not modified whatever the etag says", ["K5"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      const found = await driver.getCheckpoint(call, threadId, wanted);
      return found && wanted.ifNoneMatch !== null ? { ...found, etag: wanted.ifNoneMatch, data: null } : found;
    },
  })),

  driverFault("an etag survives the replacement of its state", ["K5"], (driver) => {
    const first = new Map<string, string | null>();
    return withEtags(driver, (call, threadId, { namespace, checkpointId, etag }) => {
      const key = keyOf(call, threadId, namespace, checkpointId);
      if (!first.has(key)) first.set(key, etag);
      return first.get(key) ?? null;
    });
  }),

  driverFault("an etag is that of the checkpoint's place", ["K5"], (driver) =>
    withEtags(driver, (_call, _threadId, { seq }) => `seq ${seq}`),
  ),

  driverFault("an etag is that of the checkpoint's size", ["K5"], (driver) =>
    withEtags(driver, (_call, _threadId, { sizeBytes }) => `${sizeBytes} bytes`),
  ),

  driverFault("storing gives another etag than reading", ["K5"], (driver) => ({
    storeCheckpoint: async (...args) => ({ ...(await driver.storeCheckpoint(...args)), etag: "new" }),
  })),

  driverFault("writes are left out with the state", ["K5"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      const found = await driver.getCheckpoint(call, threadId, wanted);
      return found && wanted.writes && found.data === null ? { ...found, writes: [] } : found;
    },
  })),

  driverFault("pruning drops open interrupts", ["K6"], (driver) => {
    // Writes are kept where pruning does not see them.
    const away = (checkpointId: string): string => `${checkpointId}~writes`;
    return {
      putWrites: (call, threadId, target, writes, fence) =>
        driver.putWrites(call, threadId, { ...target, checkpointId: away(target.checkpointId) }, writes, fence),
      getWrites: (call, threadId, target) =>
        driver.getWrites(call, threadId, { ...target, checkpointId: away(target.checkpointId) }),
      getCheckpoint: async (call, threadId, wanted) => {
        const found = await driver.getCheckpoint(call, threadId, wanted);
        if (found === undefined || !wanted.writes) return found;
        const target = { namespace: found.namespace, checkpointId: away(found.checkpointId) };
        return { ...found, writes: await driver.getWrites(call, threadId, target) };
      },
    };
  }),

  driverFault("pruning drops what a kept checkpoint needs", ["K6"], (driver) => {
    const needing = new Set<string>();
    const shown = <C extends StoredCheckpoint>(key: string, checkpoint: C): C =>
      needing.has(key) ? { ...checkpoint, needsParent: true } : checkpoint;
    return {
      storeCheckpoint: async (call, threadId, checkpoint, fence) => {
        const key = keyOf(call, threadId, checkpoint.namespace, checkpoint.checkpointId);
        if (checkpoint.needsParent) needing.add(key);
        return shown(key, await driver.storeCheckpoint(call, threadId, { ...checkpoint, needsParent: false }, fence));
      },
      getCheckpoint: async (call, threadId, wanted) => {
        const found = await driver.getCheckpoint(call, threadId, wanted);
        return found && shown(keyOf(call, threadId, found.namespace, found.checkpointId), found);
      },
    };
  }),

  driverFault("pruning counts the namespaces of a thread as one", ["K6"], (driver) => ({
    pruneCheckpoints: async (call, prune) => {
      const counts = await driver.pruneCheckpoints(call, prune);
      if (prune.dryRun || prune.keepLast === null) return counts;
      const threads = { sessionId: null, orderBy: "createdAt", direction: "asc", after: null, limit: 1_000 } as const;
      for (const { threadId } of (await driver.listThreads(call, threads)).rows) {
        const kept = (await driver.listCheckpoints(call, threadId, ALL)).slice(0, prune.keepLast).reverse();
        await driver.deleteThread(call, threadId);
        for (const { data, ...each } of kept) {
          const checkpoint = { ...each, data: EncodedText.of(String(data ?? "")), expectedHead: undefined };
          await driver.storeCheckpoint(call, threadId, checkpoint, null);
        }
      }
      return counts;
    },
  })),

  driverFault("a dry pruning removes", ["K6"], (driver) => ({
    pruneCheckpoints: (call, prune) => driver.pruneCheckpoints(call, { ...prune, dryRun: false }),
  })),

  driverFault("expectedHead is ignored", ["K8"], (driver) => ({
    storeCheckpoint: (call, threadId, checkpoint, fence) =>
      driver.storeCheckpoint(call, threadId, { ...checkpoint, expectedHead: undefined }, fence),
  })),

  driverFault("expectedHead is compared in a step of its own", ["K8"], (driver) => ({
    storeCheckpoint: async (call, threadId, checkpoint, fence) => {
      const wanted = { namespace: checkpoint.namespace, checkpointId: null, writes: false, ifNoneMatch: null };
      const head = (await driver.getCheckpoint(call, threadId, wanted))?.checkpointId ?? null;
      await meanwhile();
      const expectedHead = checkpoint.expectedHead === head ? undefined : checkpoint.expectedHead;
      return driver.storeCheckpoint(call, threadId, { ...checkpoint, expectedHead }, fence);
    },
  })),

  driverFault("a checkpoint of another namespace is found", ["I2", "K2"], (driver) => ({
    getCheckpoint: async (call, threadId, wanted) => {
      if (wanted.checkpointId === null) return driver.getCheckpoint(call, threadId, wanted);
      const all = await driver.listCheckpoints(call, threadId, ALL);
      return all.find(({ checkpointId }) => checkpointId === wanted.checkpointId);
    },
  })),

  driverFault("threads are listed for every tenant", ["I2"], (driver, _clock, tenants) => ({
    listThreads: async (call, listing) => {
      const rows = await ofEveryTenant(tenants, call, async (each) => (await driver.listThreads(each, listing)).rows);
      return { rows: rows.slice(0, listing.limit), more: rows.length > listing.limit };
    },
  })),

  driverFault("thread ids are compared without case", ["I2"], (driver) => ({
    storeCheckpoint: (call, threadId, ...others) => driver.storeCheckpoint(call, threadId.toLowerCase(), ...others),
    getCheckpoint: (call, threadId, ...others) => driver.getCheckpoint(call, threadId.toLowerCase(), ...others),
    listCheckpoints: (call, threadId, ...others) => driver.listCheckpoints(call, threadId.toLowerCase(), ...others),
    deleteThread: (call, threadId) => driver.deleteThread(call, threadId.toLowerCase()),
  })),

  driverFault("thread ids are compared after Unicode normalisation", ["I2"], (driver) => ({
    storeCheckpoint: (call, threadId, ...others) => driver.storeCheckpoint(call, threadId.normalize(), ...others),
    getCheckpoint: (call, threadId, ...others) => driver.getCheckpoint(call, threadId.normalize(), ...others),
    listCheckpoints: (call, threadId, ...others) => driver.listCheckpoints(call, threadId.normalize(), ...others),
    deleteThread: (call, threadId) => driver.deleteThread(call, threadId.normalize()),
  })),
];

type EtagOf = (call: Call, threadId: string, stored: StoredCheckpoint) => string | null;

/** A driver whose etags are others, and which believes in them. */
function withEtags(driver: StorageDriver, etagOf: EtagOf): Partial<StorageDriver> {
  return {
    storeCheckpoint: async (call, threadId, checkpoint, fence) => {
      const stored = await driver.storeCheckpoint(call, threadId, checkpoint, fence);
      return { ...stored, etag: etagOf(call, threadId, stored) };
    },
    getCheckpoint: async (call, threadId, wanted) => {
      const found = await driver.getCheckpoint(call, threadId, { ...wanted, ifNoneMatch: null });
      if (found === undefined) return undefined;
      const etag = etagOf(call, threadId, found);
      return { ...found, etag, data: etag !== null && etag === wanted.ifNoneMatch ? null : found.data };
    },
    listCheckpoints: async (call, threadId, listing) => {
      const found = await driver.listCheckpoints(call, threadId, listing);
      return found.map((each) => ({ ...each, etag: etagOf(call, threadId, each) }));
    },
  };
}
