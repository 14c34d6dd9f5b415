// Faults of long texts, which a backend may keep apart from what they belong to.
import { compareWrites } from "../../../src/domain/checkpoints.js";
import { driverFault, type Fault } from "./fault.js";

/** From here on a text is long to these stores. */
const LONG = 1_000_000;

export const LONG_TEXT_FAULTS: readonly Fault[] = [
  driverFault("a long write is stored again where the first one is to stay", ["K3"], (driver) => ({
    putWrites: (call, threadId, target, writes, fence) => {
      const overwrite = target.overwrite || writes.some(({ value }) => value.length > LONG);
      return driver.putWrites(call, threadId, { ...target, overwrite }, writes, fence);
    },
  })),

  driverFault("a copied thread has the long writes that its source has", ["K7"], (driver) => {
    const sources = new Map<string, string>();
    return {
      copyThread: async (call, from, to) => {
        sources.set(to, from);
        return driver.copyThread(call, from, to);
      },
      getWrites: async (call, threadId, target) => {
        const writes = await driver.getWrites(call, threadId, target);
        const source = sources.get(threadId);
        if (source === undefined) return writes;
        const own = await driver.getWrites(call, source, target);
        const long = writes.filter(({ value }) => value.length > LONG).map(({ taskId, index }) => ({ taskId, index }));
        const shared = own.filter((each) => long.some((at) => at.taskId === each.taskId && at.index === each.index));
        return [...writes.filter(({ value }) => value.length <= LONG), ...shared].sort(compareWrites);
      },
    };
  }),

  driverFault("a long text is put in the place of another one without a look at that", ["P2"], (driver) => ({
    replaceStored: (call, replacements) =>
      driver.replaceStored === undefined
        ? Promise.resolve([])
        : driver.replaceStored(
            call,
            replacements.map((each) =>
              each.kind === "item" && each.from.value.length > LONG ? { ...each, from: each.to } : each,
            ),
          ),
  })),

  driverFault("a long item lacks its last piece while it is replaced", ["V1"], (driver) => {
    const writing = new Set<string>();
    return {
      runItemSteps: async (call, steps) => {
        const long = steps.flatMap((step) => (step.kind === "put" && step.value.length > LONG ? [step.key] : []));
        for (const key of long) writing.add(key);
        try {
          if (long.length > 0) await new Promise((resolve) => setTimeout(resolve, 300));
          const results = await driver.runItemSteps(call, steps);
          return results.map((result, i) => {
            const step = steps[i];
            if (result.kind !== "get" || step?.kind !== "get" || result.item === undefined) return result;
            if (!writing.has(step.key) || result.item.value.length <= LONG) return result;
            const value = `${result.item.value.slice(0, -20)}"}`;
            return { ...result, item: { ...result.item, value } };
          });
        } finally {
          for (const key of long) writing.delete(key);
        }
      },
    };
  }),
];
