/** `timeout`: a shorter deadline for calls than their callers give them, and one that holds whatever the store does. */
import { StorageTimeoutError } from "../contract/errors.js";
import { OPERATION_NAMES, type OperationName } from "../contract/operations.js";
import { knownFields } from "../domain/arguments.js";
import { Deadlines, WatchedCall } from "../domain/backend/deadlines.js";
import { timeoutOption } from "../domain/call-options.js";
import { intercept } from "./intercept.js";
import { type Layer, layer } from "./layer.js";
import { type LayerCall, type Next, ofCall, passesAlways } from "./layer-call.js";

export interface TimeoutOptions {
  /** Most milliseconds that a call may take; one whose caller gives it less has that. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** The same for single operations, instead of `timeoutMs`. */
  readonly operations?: { readonly [Name in OperationName]?: number | undefined } | undefined;
}

/** What a storage may take longer to notice its own deadline; with a tick of the watch it is within the 250 ms of F2. */
const GRACE_MS = 100;

/**
 * Gives each call a deadline. The storage gets it, because it knows whether a write has left; a storage that does not keep to it
 * is left alone a little later, with its signal fired, and the outcome of a write is `unknown` then.
 *
 * - Exports and imports take as long as they are read; the health check gets the deadline and answers by itself.
 * @throws InvalidArgumentError for a bad option
 */
export function timeout(options: TimeoutOptions = {}): Layer {
  const given = knownFields(options, "options", ["timeoutMs", "operations"]);
  const timeoutMs = timeoutOption(given.timeoutMs) ?? 5_000;
  const single = new Map<OperationName, number>();
  for (const [name, value] of Object.entries(knownFields(given.operations ?? {}, "operations", OPERATION_NAMES))) {
    single.set(name as OperationName, timeoutOption(value) ?? timeoutMs);
  }
  const deadlines = new Deadlines();
  return layer({ kind: "timeout" }, (backend) =>
    intercept(backend, (call, next) => {
      if (call.traits.settles === "stream") return next();
      const limitMs = Math.min(call.timeoutMs, single.get(call.operation) ?? timeoutMs);
      if (passesAlways(call)) return next({ timeoutMs: limitMs });
      return guarded(deadlines, call, next, limitMs);
    }),
  );
}

function guarded<T>(deadlines: Deadlines, call: LayerCall, next: Next<T>, limitMs: number): Promise<T> {
  const { signal } = call;
  // The storage refuses the call by itself.
  if (signal?.aborted) return next({ timeoutMs: limitMs });
  return new Promise<T>((resolve, reject) => {
    const watched = new WatchedCall(call.tenant, call.operation, limitMs + GRACE_MS, signal);
    const given = new AbortController();
    const abort = (): void => given.abort(signal?.reason);
    const settled = (): void => {
      deadlines.unwatch(watched);
      signal?.removeEventListener("abort", abort);
    };
    const giveUp = (): void => {
      settled();
      const outcome = call.traits.access === "read" ? "not-applied" : "unknown";
      const error = ofCall(call, new StorageTimeoutError(`no answer within ${limitMs} ms`, { outcome }));
      reject(error);
      given.abort(error);
    };
    watched.giveUp = giveUp;
    signal?.addEventListener("abort", abort, { once: true });
    deadlines.watch(watched);
    next({ timeoutMs: limitMs, signal: given.signal }).then(
      (result) => {
        settled();
        resolve(result);
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
  });
}
