// Faults of task contexts.
import { memoryDriver } from "../../../src/backends/memory/index.js";
import { driverFault, type Fault } from "./fault.js";

export const TASK_CONTEXT_FAULTS: readonly Fault[] = [
  driverFault("expectedVersion of a task context is ignored", ["T1"], (driver) => ({
    storeContext: (call, sessionId, context, fence) =>
      driver.storeContext(call, sessionId, { ...context, expectedVersion: null }, fence),
  })),

  driverFault("the version asked for is ignored", ["T1"], (driver) => ({
    getContext: (call, sessionId) => driver.getContext(call, sessionId, null),
  })),

  driverFault("versions are never trimmed", ["T2"], (_driver, clock) => memoryDriver({ clock, keepVersions: 10_000 })),

  driverFault("one version too many is trimmed", ["T2"], (_driver, clock) => memoryDriver({ clock, keepVersions: 19 })),

  driverFault("a shared task context is a copy", ["T3"], (driver) => ({
    shareContext: async (call, from, to) => {
      const newest = await driver.getContext(call, from, null);
      if (newest?.context == null) return driver.shareContext(call, from, to);
      await driver.storeContext(call, to, { ...newest, context: newest.context, expectedVersion: null }, null);
    },
  })),

  driverFault("a shared task context goes with the session that shared it", ["T3"], (driver) => {
    const shared = new Map<string, string>();
    return {
      shareContext: (call, from, to) => {
        shared.set(to, from);
        return driver.shareContext(call, from, to);
      },
      getContext: async (call, sessionId, version) => {
        const from = shared.get(sessionId);
        const [owner] = from === undefined ? [] : await driver.getSessions(call, [from]);
        return from !== undefined && owner === undefined ? undefined : driver.getContext(call, sessionId, version);
      },
    };
  }),
];
