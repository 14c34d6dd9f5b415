// Faults of calls about much: others see the half of them.
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredItem } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, meanwhile } from "./fault.js";

async function itemsBelow(driver: StorageDriver, call: Call, prefix: readonly string[]): Promise<StoredItem[]> {
  const all = { orderBy: "key", direction: "asc", limit: 10_000, offset: 0, after: null } as const;
  return (await driver.searchItems(call, { ...all, prefix, filter: null })).rows;
}

const newest = { namespace: null, before: null, metadata: [], data: true, writes: false } as const;

export const LARGE_STEP_FAULTS: readonly Fault[] = [
  driverFault("deleteItems deletes a hundred at a time", ["M1"], (driver) => ({
    deleteItems: async (call, prefix) => {
      const items = await itemsBelow(driver, call, prefix);
      for (const [i, { namespace, key }] of items.entries()) {
        await driver.runItemSteps(call, [{ kind: "delete", namespace, key, expectedVersion: null }]);
        if (i % 100 === 99) await meanwhile();
      }
      return items.length;
    },
  })),

  driverFault("deleteItems gives back what was put while it ran", ["M1"], (driver) => ({
    deleteItems: async (call, prefix) => {
      const before = new Map((await itemsBelow(driver, call, prefix)).map((item) => [item.key, item]));
      await meanwhile();
      const after = await itemsBelow(driver, call, prefix);
      const deleted = await driver.deleteItems(call, prefix);
      for (const { namespace, key, value, version } of after) {
        if (version === before.get(key)?.version) continue;
        const put = { namespace, key, value, ttlMs: null, expectedVersion: null, vectors: null };
        await driver.runItemSteps(call, [{ kind: "put", ...put }]);
      }
      return deleted;
    },
  })),

  driverFault("a batch that searches lets others see its first half", ["M3"], (driver) => ({
    runItemSteps: async (call, steps) => {
      const half = steps.findLastIndex((step) => step.kind === "search") + 1;
      if (half === 0 || half === steps.length) return driver.runItemSteps(call, steps);
      const first = await driver.runItemSteps(call, steps.slice(0, half));
      await meanwhile();
      return [...first, ...(await driver.runItemSteps(call, steps.slice(half)))];
    },
  })),

  driverFault("copyThread copies checkpoint by checkpoint", ["K7"], (driver) => ({
    copyThread: async (call, from, to) => {
      const all = await driver.listCheckpoints(call, from, { ...newest, limit: 10_000 });
      if (all.length < 100) return driver.copyThread(call, from, to);
      const half = all[all.length / 2]?.seq ?? 0;
      await driver.copyThread(call, from, to);
      const named = all.filter(({ seq }) => seq > half).map(({ checkpointId }) => checkpointId);
      await driver.deleteCheckpoints(call, to, { namespace: "", checkpointIds: named }, null);
      await meanwhile();
      await driver.deleteThread(call, to);
      return driver.copyThread(call, from, to);
    },
  })),

  driverFault("pruneCheckpoints takes the thread away and brings back what it keeps", ["K6"], (driver) => ({
    pruneCheckpoints: async (call, prune) => {
      const { threadId, dryRun } = prune;
      if (threadId === null || dryRun) return driver.pruneCheckpoints(call, prune);
      await driver.copyThread(call, threadId, `${threadId}~`);
      const counts = await driver.pruneCheckpoints(call, { ...prune, threadId: `${threadId}~` });
      await driver.deleteThread(call, threadId);
      await meanwhile();
      await driver.copyThread(call, `${threadId}~`, threadId);
      await driver.deleteThread(call, `${threadId}~`);
      return counts;
    },
  })),

  driverFault("deleteSession deletes the threads after the session", ["S10"], (driver) => ({
    deleteSession: async (call, sessionId) => {
      const listing = { sessionId, orderBy: "createdAt", direction: "asc", limit: 1_000, after: null } as const;
      const { rows } = await driver.listThreads(call, listing);
      for (const { threadId } of rows) await driver.copyThread(call, threadId, `${threadId}~`);
      for (const { threadId } of rows) await driver.deleteThread(call, threadId);
      for (const { threadId } of rows) {
        await driver.copyThread(call, `${threadId}~`, threadId);
        await driver.deleteThread(call, `${threadId}~`);
      }
      const deleted = await driver.deleteSession(call, sessionId);
      await meanwhile();
      for (const { threadId } of rows) await driver.deleteThread(call, threadId);
      return deleted;
    },
  })),

  driverFault("deleteConversationMessages deletes the older half first", ["C6"], (driver) => ({
    deleteMessages: async (call, sessionId, range, fence) => {
      const { before } = range;
      if (before === null || before < 100) return driver.deleteMessages(call, sessionId, range, fence);
      const half = Math.floor(before / 2);
      const older = await driver.deleteMessages(call, sessionId, { ...range, before: half }, fence);
      await meanwhile();
      return older + (await driver.deleteMessages(call, sessionId, { ...range, after: half - 1 }, fence));
    },
  })),
];
