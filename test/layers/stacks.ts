// Stacks of layers for the conformance kit and the random programs: each alone, pairs, all of them, and random deep ones.
import type { LayerCall } from "../../src/layers/index.js";
import {
  circuitBreaker,
  concurrencyLimit,
  type Layer,
  logging,
  monitor,
  retry,
  timeout,
  tracing,
  withLayers,
} from "../../src/layers/index.js";
import { type FaultPlan, faultyStorage, seededFaults } from "../../src/testing/faulty-storage.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { layered } from "./layered-factory.js";

const nothing = (): void => undefined;
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Layers that cannot change what a call means, those with rules of order from the outside to the inside. */
export const LAYERS: { readonly [kind: string]: () => Layer } = {
  tracing: () => tracing(),
  logging: () => logging({ logger: SILENT, slowMs: 0 }),
  monitor: () => monitor(),
  // A store that fails as often as these do is beyond any sensible budget.
  retry: () => retry({ maxAttempts: 20, initialDelayMs: 0, maxDelayMs: 2, budgetRatio: 100, budgetReserve: 1_000 }),
  "circuit-breaker": () => circuitBreaker({ threshold: 0.9, window: 200, minCalls: 100 }),
  "concurrency-limit": () => concurrencyLimit({ maxConcurrent: 8, maxQueue: 10_000 }),
  timeout: () => timeout({ timeoutMs: 9_000 }),
};

export const KINDS: readonly string[] = Object.keys(LAYERS);

/** Layers of these kinds, in this order. */
export function stackOf(kinds: readonly string[]): Layer[] {
  return kinds.map((kind) => (LAYERS[kind] as () => Layer)());
}

/** The stores of a factory within a stack. */
export function withStack(factory: StorageFactory, kinds: readonly string[]): StorageFactory {
  return layered(factory, (backend) => withLayers(backend, stackOf(kinds)));
}

/** The same on stores that fail: retries must hide it. */
export function withFaultsBelow(factory: StorageFactory, kinds: readonly string[], seed: number): StorageFactory {
  const plan = hideable(seededFaults({ seed, before: 0.1, after: 0.05, maxDelayMs: 0 }));
  return layered(factory, (backend) => withLayers(faultyStorage(backend, plan).storage, stackOf(kinds)));
}

/** Writes that are idempotent, but whose second answer is another one: what was there is gone, and a token is newer. */
const ANSWERS_ONCE = /^(delete|cleanup|prune|acquireLease|releaseLease)/;

/** Faults that a retry can hide whole: none where a call has no time for another attempt, or gives another answer to it. */
function hideable(plan: FaultPlan): FaultPlan {
  return (call: LayerCall) => {
    const fault = plan(call);
    if (fault === undefined || call.operation === "importRecords" || call.timeoutMs < 5_000) return undefined;
    return fault.at === "after" && ANSWERS_ONCE.test(call.operation) ? undefined : fault;
  };
}

/** A stack of a random depth in an order that is allowed; those that only look on may stand anywhere, twice too. */
export function randomStack(random: () => number): string[] {
  const ruled = KINDS.slice(3).filter((kind) => kind === "retry" || random() < 0.6);
  const looking = Array.from({ length: Math.floor(random() * 6) }, () => KINDS[Math.floor(random() * 3)] as string);
  for (const kind of looking) ruled.splice(Math.floor(random() * (ruled.length + 1)), 0, kind);
  return ruled;
}
