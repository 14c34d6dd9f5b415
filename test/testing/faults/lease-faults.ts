// Faults of leases and fencing.
import type { Call, FencingToken } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredLease } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, keyOf, pause } from "./fault.js";

type Fence = FencingToken | null;

/** The writes of a driver, with another view of the lease that they carry. */
function fencedWrites(
  driver: StorageDriver,
  change: (call: Call, fence: Fence) => Fence | Promise<Fence>,
): Partial<StorageDriver> {
  return {
    updateSession: async (call, id, update, fence) => driver.updateSession(call, id, update, await change(call, fence)),
    endSession: async (call, id, status, fence) => driver.endSession(call, id, status, await change(call, fence)),
    addMessages: async (call, id, messages, fence) => driver.addMessages(call, id, messages, await change(call, fence)),
    deleteMessages: async (call, id, range, fence) => driver.deleteMessages(call, id, range, await change(call, fence)),
    storeContext: async (call, id, context, fence) => driver.storeContext(call, id, context, await change(call, fence)),
    storeCheckpoint: async (call, id, checkpoint, fence) =>
      driver.storeCheckpoint(call, id, checkpoint, await change(call, fence)),
    putWrites: async (call, id, target, writes, fence) =>
      driver.putWrites(call, id, target, writes, await change(call, fence)),
    deleteCheckpoints: async (call, id, target, fence) =>
      driver.deleteCheckpoints(call, id, target, await change(call, fence)),
  };
}

export const LEASE_FAULTS: readonly Fault[] = [
  driverFault("a write passes with any lease that was ever given", ["L1"], (driver) =>
    fencedWrites(driver, () => null),
  ),

  driverFault("a write passes if somebody holds a lease", ["L1"], (driver) => {
    const held = new Set<string>();
    return {
      ...fencedWrites(driver, (call, fence) =>
        fence !== null && held.has(keyOf(call, fence.kind, fence.id)) ? null : fence,
      ),
      acquireLease: (call, subject, lease) => {
        held.add(keyOf(call, subject.kind, subject.id));
        return driver.acquireLease(call, subject, lease);
      },
      releaseLease: (call, fence) => {
        held.delete(keyOf(call, fence.kind, fence.id));
        return driver.releaseLease(call, fence);
      },
    };
  }),

  driverFault("only some writes look at their lease", ["L1"], (driver) => ({
    storeContext: (call, sessionId, context) => driver.storeContext(call, sessionId, context, null),
    putWrites: (call, threadId, target, writes) => driver.putWrites(call, threadId, target, writes, null),
  })),

  driverFault("a write under a lease that has run out is refused", ["L1"], (driver, clock) => {
    const expiries = new Map<string, number>();
    return {
      ...fencedWrites(driver, (call, fence) => {
        const expiry = fence === null ? undefined : expiries.get(keyOf(call, fence.kind, fence.id));
        return fence !== null && expiry !== undefined && clock.now() >= expiry
          ? { ...fence, token: fence.token + 1_000 }
          : fence;
      }),
      acquireLease: async (call, subject, lease) => {
        const result = await driver.acquireLease(call, subject, lease);
        if ("acquired" in result) expiries.set(keyOf(call, subject.kind, subject.id), result.acquired.expiresAt);
        return result;
      },
    };
  }),

  driverFault("tokens begin anew when their subject was deleted", ["L1", "K7"], (driver) => {
    const given = new Map<string, number[]>();
    const real = (call: Call, fence: FencingToken): FencingToken => {
      const tokens = given.get(keyOf(call, fence.kind, fence.id)) ?? [];
      return { ...fence, token: tokens[fence.token - 1] ?? fence.token + 1_000_000 };
    };
    const shown = (call: Call, kind: string, id: string, lease: StoredLease): StoredLease => {
      const tokens = given.get(keyOf(call, kind, id)) ?? [];
      return { ...lease, token: tokens.indexOf(lease.token) + 1 };
    };
    return {
      ...fencedWrites(driver, (call, fence) => fence && real(call, fence)),
      acquireLease: async (call, subject, lease) => {
        const key = keyOf(call, subject.kind, subject.id);
        const result = await driver.acquireLease(call, subject, lease);
        if ("held" in result) return { held: shown(call, subject.kind, subject.id, result.held) };
        given.set(key, [...(given.get(key) ?? []), result.acquired.token]);
        return { acquired: shown(call, subject.kind, subject.id, result.acquired) };
      },
      renewLease: async (call, fence, ttlMs) =>
        shown(call, fence.kind, fence.id, await driver.renewLease(call, real(call, fence), ttlMs)),
      releaseLease: (call, fence) => driver.releaseLease(call, real(call, fence)),
      deleteThread: (call, threadId) => {
        given.delete(keyOf(call, "thread", threadId));
        return driver.deleteThread(call, threadId);
      },
      deleteSession: (call, sessionId) => {
        given.delete(keyOf(call, "session", sessionId));
        return driver.deleteSession(call, sessionId);
      },
    };
  }),

  driverFault("creating a session takes the lease that is older than it", ["L1"], (driver) => {
    const older = new Map<string, FencingToken>();
    return {
      acquireLease: async (call, subject, lease) => {
        const result = await driver.acquireLease(call, subject, lease);
        if ("acquired" in result) {
          older.set(keyOf(call, subject.kind, subject.id), { ...subject, token: result.acquired.token });
        }
        return result;
      },
      createSession: async (call, session) => {
        const result = await driver.createSession(call, session);
        const lease = older.get(keyOf(call, "session", session.sessionId));
        if (result.created && lease !== undefined) await driver.releaseLease(call, lease);
        return result;
      },
    };
  }),

  driverFault("a lease is taken from an owner who still has it", ["L1"], (driver) => ({
    acquireLease: async (call, subject, lease) => {
      const result = await driver.acquireLease(call, subject, lease);
      if ("acquired" in result) return result;
      return driver.acquireLease(call, subject, { ...lease, owner: result.held.owner });
    },
  })),

  driverFault("a released lease still lets writes pass", ["L1"], (driver) => ({
    releaseLease: async (call, fence) => {
      // Let go for others, by running out, but not forgotten.
      await driver.renewLease(call, fence, 1);
      return true;
    },
  })),

  driverFault("fencing is decided in a step before the write", ["L1"], (driver) => {
    const newest = new Map<string, number>();
    let writes = 0;
    return {
      ...fencedWrites(driver, async (call, fence) => {
        if (fence === null || newest.get(keyOf(call, fence.kind, fence.id)) !== fence.token) return fence;
        // Some ways to a server are longer than others.
        writes += 1;
        for (let steps = writes % 4; steps >= 0; steps--) await pause();
        return null;
      }),
      acquireLease: async (call, subject, lease) => {
        const result = await driver.acquireLease(call, subject, lease);
        if ("acquired" in result) newest.set(keyOf(call, subject.kind, subject.id), result.acquired.token);
        return result;
      },
      releaseLease: (call, fence) => {
        newest.delete(keyOf(call, fence.kind, fence.id));
        return driver.releaseLease(call, fence);
      },
      deleteSession: (call, sessionId) => {
        newest.delete(keyOf(call, "session", sessionId));
        return driver.deleteSession(call, sessionId);
      },
      deleteThread: (call, threadId) => {
        newest.delete(keyOf(call, "thread", threadId));
        return driver.deleteThread(call, threadId);
      },
    };
  }),
];
