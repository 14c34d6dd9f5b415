// Faults of what a store may refuse as a whole, if its factory says so (F6).
import { UnsupportedError } from "../../../src/contract/errors.js";
import type { ItemStep } from "../../../src/domain/driver/items.js";
import type { StorageSupport } from "../../../src/testing/storage-factory.js";
import { driverFault, type Fault } from "./fault.js";

function declaring({ factory, ...fault }: Fault, supports: Partial<StorageSupport>): Fault {
  return { ...fault, factory: { ...factory, supports: { ...factory.supports, ...supports } } };
}

function rootOf(step: ItemStep): string | undefined {
  if ("namespace" in step) return step.namespace[0];
  return step.kind === "count" ? step.count.prefix[0] : step.listing.prefix[0];
}

function writtenRoots(steps: readonly ItemStep[]): Set<string | undefined> {
  return new Set(steps.filter(({ kind }) => kind === "put" || kind === "delete" || kind === "update").map(rootOf));
}

export const REFUSAL_FAULTS: readonly Fault[] = [
  driverFault("batches across first labels are refused, and the factory does not say so", ["F6"], (driver) => ({
    runItemSteps: async (call, steps) => {
      if (writtenRoots(steps).size > 1) throw new UnsupportedError("one first label");
      return driver.runItemSteps(call, steps);
    },
  })),

  declaring(
    driverFault("a batch across first labels is refused when its first label is stored", ["F6"], (driver) => ({
      runItemSteps: async (call, steps) => {
        const [first, ...others] = writtenRoots(steps);
        if (others.length === 0) return driver.runItemSteps(call, steps);
        await driver.runItemSteps(
          call,
          steps.filter((step) => rootOf(step) === first),
        );
        throw new UnsupportedError("one first label");
      },
    })),
    { batchesAcrossLabels: false },
  ),

  driverFault("some sessions cannot share a context, and the factory does not say so", ["F6"], (driver) => ({
    shareContext: async (call, from, to) => {
      if (to.endsWith("7")) throw new UnsupportedError("not this one");
      return driver.shareContext(call, from, to);
    },
  })),

  declaring(
    driverFault("a context that cannot be shared is shared with some", ["F6"], (driver) => ({
      shareContext: async (call, from, to) => {
        if (to.endsWith("7")) return driver.shareContext(call, from, to);
        throw new UnsupportedError("not this one");
      },
    })),
    { sharedContexts: false },
  ),
];
