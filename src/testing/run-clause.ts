/** Runs one clause on a fresh store, and leaves nothing open, also when it fails. */
import { setTimeout as wait } from "node:timers/promises";
import type { StorageBackend } from "../contract/storage-backend.js";
import type { Clause, ClauseContext, ClauseNeed, ClauseScale } from "./clause.js";
import { manualClock } from "./manual-clock.js";
import type { OpenHandleOptions, StorageFactory, StorageHarness } from "./storage-factory.js";

/** Why a clause that needs this is skipped. */
const REASONS: { readonly [Need in ClauseNeed]: string } = {
  reopen: "the factory declares that the store does not survive being closed",
  secondHandle: "the factory declares that the store takes one handle at a time",
  clock: "the factory declares that the store's time cannot be set",
  vectors: "the factory declares that the store keeps no vectors",
  itemFilters: "the factory declares that items are not found by what is in their values",
  sharedContexts: "the factory declares that sessions share no task context",
  batchesAcrossLabels: "the factory declares that a batch of items that writes stays below one first label",
  metadataFilters: "the factory declares that nothing is found by its metadata",
  storedBytes: "the factory does not declare that the metrics say how many bytes are stored",
  freedBytes: "the factory does not declare that the bytes of the metrics fall when something is removed",
  replacements: "the factory does not declare that stored values can be replaced in place",
  changeFeed: "the factory does not declare that changes by others are told",
  durability: "the factory declares no durability level",
};

/** What a store has unless its factory says that it has not. */
const GIVEN: ReadonlySet<ClauseNeed> = new Set<ClauseNeed>([
  "itemFilters",
  "metadataFilters",
  "sharedContexts",
  "batchesAcrossLabels",
]);

/** The reason for which the clause cannot run on stores of this factory, `undefined` if it can. */
export function reasonToSkip(clause: Clause, factory: StorageFactory): string | undefined {
  const missing = clause.needs.find((need) => (factory.supports[need] ?? GIVEN.has(need)) === false);
  return missing === undefined ? undefined : REASONS[missing];
}

/** The scale of an ordinary run, or of a full one where the environment asks for it. */
export function clauseScale(scale: Partial<ClauseScale> = {}): ClauseScale {
  const full = process.env.WAYSTONE_TEST_SCALE === "full";
  return { messages: scale.messages ?? (full ? 1_000_000 : 20_000), racers: scale.racers ?? 24 };
}

/** Runs a clause; its own failure counts before one of cleaning up. */
export async function runClause(clause: Clause, factory: StorageFactory, scale: ClauseScale): Promise<void> {
  const clock = manualClock();
  const harnesses: StorageHarness[] = [];
  const handles: StorageBackend[] = [];
  const create = async (): Promise<StorageHarness> => {
    const harness = await factory.create();
    harnesses.push(harness);
    return harness;
  };
  const openOn = async (harness: StorageHarness, options: OpenHandleOptions = {}): Promise<StorageBackend> => {
    const handle = await harness.open(factory.supports.clock ? { clock, ...options } : options);
    handles.push(handle);
    return handle;
  };
  const failures: unknown[] = [];
  try {
    const harness = await create();
    const context: ClauseContext = {
      storage: await openOn(harness),
      clock,
      support: factory.supports,
      scale,
      open: (options) => openOn(harness, options),
      openOther: async (options) => openOn(await create(), options),
      pass: async (ms) => {
        if (factory.supports.clock) clock.advance(ms);
        // Clocks count whole milliseconds, and timers may fire a little early.
        else await wait(ms + 2);
      },
    };
    await clause.run(context);
  } catch (error) {
    failures.push(error);
  }
  for (const handle of handles) failures.push(...(await failureOf(() => handle.close())));
  for (const harness of harnesses) failures.push(...(await failureOf(() => harness.destroy())));
  if (failures.length > 0) throw failures[0];
}

async function failureOf(action: () => Promise<void>): Promise<unknown[]> {
  try {
    await action();
    return [];
  } catch (error) {
    return [error];
  }
}
