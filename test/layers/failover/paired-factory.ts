// Stores that are pairs of stores, one of which takes over from the other.
import { type FailoverMode, failover } from "../../../src/layers/index.js";
import type { StorageFactory } from "../../../src/testing/index.js";
import { keptJournal } from "./kept-journal.js";

/** Neither store goes away here; the largest values take seconds on a busy machine, which is no reason to change over. */
const PATIENT = { attemptTimeoutMs: 60_000, probeTimeoutMs: 60_000, copyTimeoutMs: 60_000 };

/** Pairs of stores with their journal. */
export function paired(primary: StorageFactory, fallback: StorageFactory, mode: FailoverMode): StorageFactory {
  return {
    // One failover at a time has a pair of stores.
    supports: { ...primary.supports, replacements: false, secondHandle: false },
    create: async () => {
      const [first, second] = await Promise.all([primary.create(), fallback.create()]);
      const journal = keptJournal();
      return {
        open: async (options) => {
          const layer = failover({ ...PATIENT, fallback: await second.open(options), mode, journal });
          return layer(await first.open(options));
        },
        destroy: async () => {
          await first.destroy();
          await second.destroy();
        },
      };
    },
  };
}
