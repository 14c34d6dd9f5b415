/** `concurrencyLimit`: so many calls at the store at once, so many that wait, and no more. */
import { CallRefusedError, type StorageError } from "../contract/errors.js";
import { integer, knownFields } from "../domain/arguments.js";
import { Deadlines, WatchedCall } from "../domain/backend/deadlines.js";
import { intercept } from "./intercept.js";
import { type Layer, type LayerReading, layer } from "./layer.js";
import { type Interceptor, type LayerCall, type Next, ofCall, passesAlways } from "./layer-call.js";

export interface ConcurrencyLimitOptions {
  /** Most calls at the store at once. Default 100. */
  readonly maxConcurrent?: number | undefined;
  /** Most calls that wait for their turn; one more is refused. Default 1,000. */
  readonly maxQueue?: number | undefined;
}

export interface ConcurrencyLimitLayer extends Layer {
  /** Calls at the store, and calls that wait. */
  stats(): { readonly running: number; readonly queued: number };
}

/**
 * Lets calls wait in order of arrival. The wait counts for the deadline of a call, and who gives up leaves the queue at once. With
 * the queue full a call is refused with `CallRefusedError` (`queue-full`, not applied).
 *
 * - Exports and imports take no slot, because one may feed the other; the health check neither waits nor takes one.
 * @throws InvalidArgumentError for a bad option
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions = {}): ConcurrencyLimitLayer {
  const given = knownFields(options, "options", ["maxConcurrent", "maxQueue"]);
  const slots = new Slots(
    integer(given.maxConcurrent ?? 100, "maxConcurrent", { min: 1, max: 1_000_000 }),
    integer(given.maxQueue ?? 1_000, "maxQueue", { min: 0, max: 10_000_000 }),
  );
  const interceptor: Interceptor = (call, next) => slots.run(call, next);
  return Object.assign(
    layer({ kind: "concurrency-limit", readings: () => readingsOf(slots) }, (backend) =>
      intercept(backend, interceptor),
    ),
    { stats: () => ({ running: slots.running, queued: slots.queued }) },
  );
}

class Slots {
  readonly #maxConcurrent: number;
  readonly #maxQueue: number;
  /** What each does when its turn has come. */
  readonly #queue = new Set<() => void>();
  readonly #deadlines = new Deadlines();
  running = 0;

  constructor(maxConcurrent: number, maxQueue: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueue = maxQueue;
  }

  get queued(): number {
    return this.#queue.size;
  }

  run<T>(call: LayerCall, next: Next<T>): Promise<T> {
    if (call.traits.settles === "stream" || passesAlways(call)) return next();
    if (this.running < this.#maxConcurrent) return this.#begin(next());
    if (this.#queue.size >= this.#maxQueue) return Promise.reject(this.#full(call));
    return this.#callInTurn(call, next);
  }

  #begin<T>(running: Promise<T>): Promise<T> {
    this.running += 1;
    running.then(this.#end, this.#end);
    return running;
  }

  readonly #end = (): void => {
    this.running -= 1;
    this.#goOn();
  };

  #goOn(): void {
    for (const begin of this.#queue) {
      if (this.running >= this.#maxConcurrent) return;
      this.#queue.delete(begin);
      begin();
    }
  }

  #callInTurn<T>(call: LayerCall, next: Next<T>): Promise<T> {
    const { signal } = call;
    call.keepArguments();
    return new Promise<T>((resolve, reject) => {
      const watched = new WatchedCall(call.tenant, call.operation, call.timeoutMs, signal);
      const abort = (): void => watched.cancel();
      const settled = (): void => {
        this.#deadlines.unwatch(watched);
        signal?.removeEventListener("abort", abort);
      };
      const begin = (): void => {
        const timeoutMs = watched.remainingMs();
        if (timeoutMs === 0) {
          abort();
          return;
        }
        settled();
        resolve(this.#begin(next({ timeoutMs })));
      };
      const giveUp = (reason: Error): void => {
        settled();
        this.#queue.delete(begin);
        reject(ofCall(call, reason as StorageError));
      };
      watched.giveUp = giveUp;
      this.#queue.add(begin);
      this.#deadlines.watch(watched);
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  }

  #full(call: LayerCall): CallRefusedError {
    const message = `${this.running} calls are at the store and ${this.#queue.size} wait: there is no room for another`;
    return ofCall(call, new CallRefusedError("queue-full", message));
  }
}

function readingsOf(slots: Slots): LayerReading[] {
  const reading = (name: string, description: string, value: number): LayerReading => ({
    name: `waystone.concurrency_limit.${name}`,
    unit: "{call}",
    type: "gauge",
    description,
    value,
  });
  return [
    reading("running", "Calls at the store.", slots.running),
    reading("queued", "Calls that wait for their turn.", slots.queued),
  ];
}
