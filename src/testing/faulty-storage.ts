/** A storage that fails as a store behind a network does: by a plan, before or after the store has done its work, or altogether. */
import { setTimeout as sleep } from "node:timers/promises";
import { StorageConnectionError, StorageTimeoutError } from "../contract/errors.js";
import type { HealthReport, StorageBackend } from "../contract/storage-backend.js";
import { intercept } from "../layers/intercept.js";
import { isHarmlessTwice, type LayerCall, type Next } from "../layers/layer-call.js";

/** What goes wrong with one call. */
export interface InjectedFault {
  /**
   * `before`: the store hears nothing of it, and the error says `not-applied`. `after`: the store has done its work and the answer
   * is lost, so that the error of a write says `unknown`. Without it the call is only late.
   */
  readonly at?: "before" | "after" | undefined;
  /** Default `connection`. */
  readonly error?: "connection" | "timeout" | undefined;
  /** Milliseconds that pass first. Default 0. */
  readonly delayMs?: number | undefined;
}

/** Asked for each call; `undefined` lets it pass. Closing and the health check are not asked about. */
export type FaultPlan = (call: LayerCall) => InjectedFault | undefined;

/** A storage with faults, and the switches of its connection. */
export interface FaultyStorage {
  readonly storage: StorageBackend;
  /** From now on every call fails before it reaches the store, and those that are under way lose their answer. */
  disconnect(): void;
  /** From now on no call settles, whatever its deadline, until the connection is back. */
  hang(): void;
  /** Ends `disconnect` and `hang`. */
  reconnect(): void;
  /** Faults so far that were more than a delay. */
  injected(): number;
}

/** The storage, failing by the plan. */
export function faultyStorage(backend: StorageBackend, plan: FaultPlan = () => undefined): FaultyStorage {
  let state: "connected" | "away" | "hanging" = "connected";
  let back = Promise.withResolvers<void>();
  let losses = 0;
  let injected = 0;
  const fail = (call: LayerCall, at: "before" | "after", kind: InjectedFault["error"] = "connection"): never => {
    injected += 1;
    throw faultOf(call, at, kind);
  };
  const storage = intercept(backend, async <T>(call: LayerCall, next: Next<T>): Promise<T> => {
    if (call.operation === "close") return next();
    call.keepArguments();
    if (state === "hanging") await back.promise;
    if (call.operation === "healthCheck") return state === "away" ? (unreachable(backend) as T) : next();
    if (state === "away") return fail(call, "before");
    const { at, error, delayMs = 0 } = plan(call) ?? {};
    if (delayMs > 0) await sleep(delayMs);
    if (at === "before") return fail(call, at, error);
    const lossesBefore = losses;
    const result = await next();
    if (state === "hanging") await back.promise;
    if (at === "after" || losses > lossesBefore) return fail(call, "after", error);
    return result;
  });
  const change = (to: typeof state): void => {
    state = to;
    if (to === "away") losses += 1;
    back.resolve();
    back = Promise.withResolvers<void>();
  };
  return {
    storage,
    disconnect: () => change("away"),
    hang: () => change("hanging"),
    reconnect: () => change("connected"),
    injected: () => injected,
  };
}

/** Options of `seededFaults`. */
export interface SeededFaultsOptions {
  /** The same seed gives the same faults to the same calls in the same order. */
  readonly seed: number;
  /** Share of the calls that fail before the store hears of them. Default 0. */
  readonly before?: number | undefined;
  /** Share of the calls whose answer is lost. Default 0. */
  readonly after?: number | undefined;
  /** Whose answers may be lost: only calls that do no harm when they are sent again, or any. Default `harmless`. */
  readonly losing?: "harmless" | "any" | undefined;
  /** Calls are late by up to so many milliseconds. Default 0. */
  readonly maxDelayMs?: number | undefined;
}

/** A plan of random faults that a seed repeats. An export never fails after it has begun. */
export function seededFaults(options: SeededFaultsOptions): FaultPlan {
  const { seed, before = 0, after = 0, losing = "harmless", maxDelayMs = 0 } = options;
  const random = randomOf(seed);
  return (call) => {
    const chance = random();
    const error = random() < 0.5 ? "connection" : "timeout";
    const delayMs = maxDelayMs * random();
    if (chance < before) return { at: "before", error, delayMs };
    const losable = call.traits.settles === "deadline" && (losing === "any" || isHarmlessTwice(call));
    return chance < before + after && losable ? { at: "after", error, delayMs } : { delayMs };
  };
}

function faultOf(call: LayerCall, at: "before" | "after", kind: InjectedFault["error"]): Error {
  const outcome = at === "after" && call.traits.access !== "read" ? "unknown" : "not-applied";
  const options = { outcome, backend: call.backend, operation: call.operation } as const;
  return kind === "timeout"
    ? new StorageTimeoutError("no answer in time (injected)", options)
    : new StorageConnectionError("the connection was lost (injected)", options);
}

function unreachable({ kind, tenantName }: StorageBackend): HealthReport {
  return {
    status: "unhealthy",
    backend: kind,
    tenant: tenantName,
    checkedAt: new Date(),
    latencyMs: 0,
    durability: "unknown",
    checks: [{ name: "connection", status: "error", message: "the connection was lost (injected)" }],
  };
}

/** Numbers from 0 to 1, by mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
