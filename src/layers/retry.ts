/** `retry`: sends a call again when the store was away, and only where a second one does no harm. */
import { setTimeout as sleep } from "node:timers/promises";
import { AbortedError, InvalidArgumentError, isStorageError, type StorageError } from "../contract/errors.js";
import { finiteNumber, integer, knownFields } from "../domain/arguments.js";
import { ExponentialBackoff, fullJitterGenerator } from "./bundled/cockatiel.js";
import { intercept } from "./intercept.js";
import { type Layer, layer } from "./layer.js";
import { type Interceptor, isHarmlessTwice, type LayerCall, type Next, ofCall, passesAlways } from "./layer-call.js";
import { RetryBudget } from "./retry-budget.js";

export interface RetryOptions {
  /** Most attempts of a call, the first among them. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Longest wait before the second attempt, in milliseconds; it doubles with each further one. The wait is random, from 0 on. Default 50. */
  readonly initialDelayMs?: number | undefined;
  /** Longest wait before any attempt, in milliseconds. An error that asks for a longer one (`retryAfterMs`) ends the call. Default 2,000. */
  readonly maxDelayMs?: number | undefined;
  /** Retries may be this share of the calls. Default 0.1. */
  readonly budgetRatio?: number | undefined;
  /** Retries that may be made beyond that share. Default 10. */
  readonly budgetReserve?: number | undefined;
}

/** What a retry layer has done so far. */
export interface RetryStats {
  readonly calls: number;
  /** Attempts after the first ones. */
  readonly retries: number;
  /** Calls that were not sent again because the budget was spent. */
  readonly budgetSpent: number;
}

export interface RetryLayer extends Layer {
  stats(): RetryStats;
}

interface Policy {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
  readonly backoff: ExponentialBackoff<unknown>;
  readonly budget: RetryBudget;
  readonly stats: { calls: number; retries: number; budgetSpent: number };
}

/**
 * Sends calls again that failed because the store was away (`CONNECTION` or `TIMEOUT`, `retryable`).
 *
 * - What was not applied is sent again. What may have been is only where twice is as good as once: by the table of
 *   operations, or because the call carries a key.
 * - A call has its deadline as a whole: attempts and waits share it, and no attempt begins that could not be waited for.
 * - Once the outcome of an attempt is unknown, that of the call is, unless a later attempt succeeds.
 * @throws InvalidArgumentError for a bad option
 */
export function retry(options: RetryOptions = {}): RetryLayer {
  const policy = policyOf(options);
  const { stats } = policy;
  const interceptor: Interceptor = (call, next) => {
    if (passesAlways(call)) return next();
    stats.calls += 1;
    policy.budget.earn();
    const begun = performance.now();
    call.keepArguments();
    return next().catch((error: unknown) => again(policy, call, next, begun, error));
  };
  const readings = (): ReturnType<NonNullable<Layer["readings"]>> => [
    {
      name: "waystone.retry.attempts",
      unit: "{attempt}",
      type: "counter",
      description: "Attempts after the first ones.",
      value: stats.retries,
    },
  ];
  return Object.assign(
    layer({ kind: "retry", readings }, (backend) => intercept(backend, interceptor)),
    { stats: (): RetryStats => ({ ...stats }) },
  );
}

function policyOf(options: RetryOptions): Policy {
  const names = ["maxAttempts", "initialDelayMs", "maxDelayMs", "budgetRatio", "budgetReserve"] as const;
  const given = knownFields(options, "options", names);
  const number = (name: (typeof names)[number], otherwise: number, max: number): number =>
    finiteNumber(given[name] ?? otherwise, name, { min: 0, max });
  const initialDelay = number("initialDelayMs", 50, 60_000);
  const maxDelay = number("maxDelayMs", 2_000, 600_000);
  if (maxDelay < initialDelay) throw new InvalidArgumentError("maxDelayMs must be at least initialDelayMs");
  return {
    maxAttempts: integer(given.maxAttempts ?? 5, "maxAttempts", { min: 1, max: 100 }),
    maxDelayMs: maxDelay,
    backoff: new ExponentialBackoff({ initialDelay, maxDelay, generator: fullJitterGenerator }),
    budget: new RetryBudget(number("budgetRatio", 0.1, 100), number("budgetReserve", 10, 1_000_000)),
    stats: { calls: 0, retries: 0, budgetSpent: 0 },
  };
}

async function again<T>(
  { maxAttempts, maxDelayMs, backoff, budget, stats }: Policy,
  call: LayerCall,
  next: Next<T>,
  begun: number,
  firstFailure: unknown,
): Promise<T> {
  const remaining = (): number => call.timeoutMs - (performance.now() - begun);
  let failure = firstFailure;
  let unknown: unknown;
  let wait = backoff.next();
  for (let attempt = 1; ; attempt++) {
    if (isStorageError(failure) && failure.outcome === "unknown") unknown = failure;
    const giveUp = unknown ?? failure;
    if (attempt >= maxAttempts || !isWorthAnother(failure) || !mayBeSentAgain(call, unknown !== undefined))
      throw giveUp;
    const { retryAfterMs = 0 } = failure;
    // Those that were told the same time must not all come back at the same moment.
    const delay = retryAfterMs + wait.duration;
    if (retryAfterMs > maxDelayMs || delay >= remaining()) throw giveUp;
    if (!budget.spend()) {
      stats.budgetSpent += 1;
      throw giveUp;
    }
    await pause(delay, call, unknown !== undefined);
    const left = remaining();
    if (left <= 0) throw giveUp;
    stats.retries += 1;
    call.countRetry();
    try {
      return await next(left === Number.POSITIVE_INFINITY ? undefined : { timeoutMs: left });
    } catch (error) {
      failure = error;
      wait = wait.next(undefined);
    }
  }
}

/** The store was away, and may be back. A conflict or a lease that is held is an answer, and for the caller to decide. */
function isWorthAnother(error: unknown): error is StorageError {
  return isStorageError(error) && error.retryable && (error.code === "CONNECTION" || error.code === "TIMEOUT");
}

function mayBeSentAgain(call: LayerCall, mayBeApplied: boolean): boolean {
  // What an import has read of its records is gone.
  if (!call.repeatable || call.operation === "importRecords") return false;
  return !mayBeApplied || isHarmlessTwice(call);
}

async function pause(ms: number, call: LayerCall, mayBeApplied: boolean): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: call.signal });
  } catch (error) {
    const outcome = mayBeApplied ? "unknown" : "not-applied";
    const cause = call.signal?.aborted === true ? call.signal.reason : error;
    throw ofCall(call, new AbortedError("the caller gave the call up between two attempts", { outcome, cause }));
  }
}
