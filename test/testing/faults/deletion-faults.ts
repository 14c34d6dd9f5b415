// Faults of deletions: what stays behind, and what goes that should not.
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredSession, StoredThread } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, keyOf } from "./fault.js";

async function threadsOf(driver: StorageDriver, call: Call, sessionId: string | null): Promise<StoredThread[]> {
  const listing = { sessionId, orderBy: "createdAt", direction: "asc", limit: 1_000, after: null } as const;
  return (await driver.listThreads(call, listing)).rows;
}

export const DELETION_FAULTS: readonly Fault[] = [
  driverFault("deleteSession leaves its threads", ["S10"], (driver) => ({
    deleteSession: async (call, sessionId) => {
      const threads = await threadsOf(driver, call, sessionId);
      for (const { threadId } of threads) await driver.copyThread(call, threadId, `${threadId}~`);
      const deleted = await driver.deleteSession(call, sessionId);
      for (const { threadId } of threads) {
        await driver.copyThread(call, `${threadId}~`, threadId);
        await driver.deleteThread(call, `${threadId}~`);
      }
      return deleted;
    },
  })),

  driverFault("deleteSession leaves its task context", ["S1", "S10"], (driver) => {
    const contexts = new Map<string, Parameters<StorageDriver["storeContext"]>[2]>();
    return {
      storeContext: async (call, sessionId, context, fence) => {
        const stored = await driver.storeContext(call, sessionId, context, fence);
        contexts.set(keyOf(call, sessionId), { ...context, expectedVersion: null });
        return stored;
      },
      createSession: async (call, session) => {
        const result = await driver.createSession(call, session);
        const left = contexts.get(keyOf(call, session.sessionId));
        if (result.created && left !== undefined) await driver.storeContext(call, session.sessionId, left, null);
        return result;
      },
    };
  }),

  driverFault("deleteSession leaves its messages", ["S1", "S10"], (driver) => {
    const left = new Map<string, Parameters<StorageDriver["addMessages"]>[2]>();
    return {
      addMessages: async (call, sessionId, messages, fence) => {
        const added = await driver.addMessages(call, sessionId, messages, fence);
        left.set(keyOf(call, sessionId), messages);
        return added;
      },
      createSession: async (call, session) => {
        const result = await driver.createSession(call, session);
        const messages = left.get(keyOf(call, session.sessionId)) ?? [];
        if (result.created && messages.length > 0) await driver.addMessages(call, session.sessionId, messages, null);
        return result;
      },
    };
  }),

  driverFault("deleteSession leaves its idempotency keys", ["S1", "S5", "S10"], (driver) => {
    const used = new Map<string, StoredSession>();
    const left = new Map<string, StoredSession>();
    return {
      updateSession: async (call, sessionId, change, fence) => {
        if (change.idempotency === null) return driver.updateSession(call, sessionId, change, fence);
        const key = keyOf(call, sessionId, change.idempotency.key);
        const earlier = left.get(key);
        if (earlier !== undefined) return earlier;
        const result = await driver.updateSession(call, sessionId, change, fence);
        used.set(key, result);
        return result;
      },
      deleteSession: (call, sessionId) => {
        for (const [key, result] of used) if (result.sessionId === sessionId) left.set(key, result);
        return driver.deleteSession(call, sessionId);
      },
    };
  }),

  driverFault("a lease outlives its session or thread", ["S10", "K7", "L1"], (driver) => {
    const newest = new Map<string, number>();
    const present = (call: Call, fence: Parameters<StorageDriver["addMessages"]>[3]): typeof fence =>
      fence !== null && newest.get(keyOf(call, fence.kind, fence.id)) === fence.token ? null : fence;
    return {
      acquireLease: async (call, subject, lease) => {
        const result = await driver.acquireLease(call, subject, lease);
        if ("acquired" in result) newest.set(keyOf(call, subject.kind, subject.id), result.acquired.token);
        return result;
      },
      updateSession: (call, id, change, fence) => driver.updateSession(call, id, change, present(call, fence)),
      addMessages: (call, id, messages, fence) => driver.addMessages(call, id, messages, present(call, fence)),
      storeCheckpoint: (call, id, checkpoint, fence) =>
        driver.storeCheckpoint(call, id, checkpoint, present(call, fence)),
      putWrites: (call, id, target, writes, fence) => driver.putWrites(call, id, target, writes, present(call, fence)),
    };
  }),

  driverFault("deleteThread takes its id for a prefix", ["I2"], (driver) => ({
    deleteThread: async (call, threadId) => {
      const threads = await threadsOf(driver, call, null);
      for (const each of threads) {
        if (each.threadId.startsWith(threadId) && each.threadId !== threadId)
          await driver.deleteThread(call, each.threadId);
      }
      return driver.deleteThread(call, threadId);
    },
  })),

  driverFault("deleteThread takes % for a pattern", ["I1", "I2"], (driver) => ({
    deleteThread: async (call, threadId) => {
      const escaped = threadId.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const pattern = new RegExp(`^${escaped.replaceAll("%", ".*").replaceAll("_", ".")}$`, "s");
      for (const each of await threadsOf(driver, call, null)) {
        if (pattern.test(each.threadId) && each.threadId !== threadId) await driver.deleteThread(call, each.threadId);
      }
      return driver.deleteThread(call, threadId);
    },
  })),

  driverFault("a copied thread goes with its source", ["K7"], (driver) => {
    const copies = new Map<string, string>();
    return {
      copyThread: async (call, from, to) => {
        const result = await driver.copyThread(call, from, to);
        if (result === "copied") copies.set(keyOf(call, from), to);
        return result;
      },
      deleteThread: async (call, threadId) => {
        const copy = copies.get(keyOf(call, threadId));
        if (copy !== undefined) await driver.deleteThread(call, copy);
        return driver.deleteThread(call, threadId);
      },
    };
  }),
];
