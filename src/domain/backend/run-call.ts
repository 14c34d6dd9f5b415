/** Runs operations: what is the same for every verb of every backend (F1-F4). */
import type { CallOptions } from "../../contract/call.js";
import { ClosedError, isStorageError, StorageConnectionError } from "../../contract/errors.js";
import { signalOption, timeoutOption } from "../call-options.js";
import type { Call, CallName } from "../driver/call.js";
import type { StorageDriver } from "../driver/storage-driver.js";
import { Slices } from "../slices.js";
import { turnIsSpent } from "../turns.js";
import { Deadlines, WatchedCall } from "./deadlines.js";

/** Refuses when closed, initialises lazily, watches deadline and signal, fills in the error's fields. */
export type RunCall = <T>(
  operation: CallName,
  options: CallOptions | undefined,
  work: (call: Call) => Promise<T>,
) => Promise<T>;

/** Begins a stream that lasts as long as it is read; `end` must be called. */
export type OpenStream = (
  operation: CallName,
  signal: AbortSignal | undefined,
) => Promise<{ readonly call: Call; readonly end: () => void }>;

/** What opening, running and closing need of a driver. */
export type LifecycleDriver = Pick<StorageDriver, "kind" | "open" | "close" | "mapError">;

type WithDriver = { readonly driver: LifecycleDriver };

/** What all views of one opened store share. */
export class StoreLifecycle<Driver extends LifecycleDriver = StorageDriver> {
  readonly driver: Driver;
  readonly deadlines: Deadlines = new Deadlines();
  readonly timeoutMs: number;
  #state: "open" | "closing" | "closed" = "open";
  #opened = false;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(driver: Driver, timeoutMs: number) {
    this.driver = driver;
    this.timeoutMs = timeoutMs;
  }

  get closed(): boolean {
    return this.#state !== "open";
  }

  get opened(): boolean {
    return this.#opened;
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /**
   * Opens the store once; callers that come meanwhile wait for the same attempt, and a failed one may be tried again (F3).
   * The attempt has a deadline of its own: that of whoever came first must not fail the others.
   */
  open(tenant: string): Promise<void> {
    if (this.#opened) return Promise.resolve();
    this.#opening ??= this.#open(new WatchedCall(tenant, "initialize", this.timeoutMs, undefined));
    return this.#opening;
  }

  async #open(call: WatchedCall): Promise<void> {
    this.deadlines.watch(call);
    try {
      await this.driver.open(call);
      this.#opened = true;
    } finally {
      this.deadlines.unwatch(call);
      this.#opening = undefined;
    }
  }

  /** Refuses new work at once, waits for what is in flight, then lets the driver go (F4). */
  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    return this.#closing;
  }

  async #drainAndClose(): Promise<void> {
    this.#state = "closing";
    if (this.#inFlight > 0) await this.#idle();
    try {
      await this.driver.close();
    } finally {
      this.deadlines.stop();
      this.#state = "closed";
    }
  }

  /** Work that outlives every deadline must not keep the store open for ever. */
  async #idle(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, this.timeoutMs);
    });
    clearTimeout(timer);
  }
}

/** The runners of one tenant's view. `isClosed` is the view's own. */
export function runCalls(
  store: StoreLifecycle<LifecycleDriver>,
  tenant: string,
  isClosed: () => boolean,
): { run: RunCall; openStream: OpenStream } {
  const run: RunCall = (operation, options, work) => {
    const timeoutMs = timeoutOption(options?.timeoutMs) ?? store.timeoutMs;
    const signal = signalOption(options?.signal);
    const call = new WatchedCall(tenant, operation, timeoutMs, signal);
    if (isClosed()) return Promise.reject(withFields(new ClosedError("the storage is closed"), store, call));
    if (signal?.aborted) return Promise.reject(withFields(call.cancellation(), store, call));
    return watched(store, call, signal, work);
  };

  const openStream: OpenStream = async (operation, signal) => {
    const call = new WatchedCall(tenant, operation, Number.POSITIVE_INFINITY, signalOption(signal));
    if (isClosed()) throw withFields(new ClosedError("the storage is closed"), store, call);
    if (signal?.aborted) throw withFields(call.cancellation(), store, call);
    const abort = (): void => call.cancel();
    store.begin();
    signal?.addEventListener("abort", abort, { once: true });
    const end = (): void => {
      signal?.removeEventListener("abort", abort);
      store.end();
    };
    try {
      await run("initialize", { signal }, async () => undefined);
      return { call, end };
    } catch (error) {
      end();
      throw error;
    }
  };
  return { run, openStream };
}

/** The caller's promise settles when the work does, or at the deadline, or on abort; the store stays busy until the work does. */
function watched<T>(
  store: StoreLifecycle<LifecycleDriver>,
  call: WatchedCall,
  signal: AbortSignal | undefined,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => call.cancel();
    const settled = (): void => {
      call.giveUp = undefined;
      store.deadlines.unwatch(call);
      signal?.removeEventListener("abort", abort);
    };
    const giveUp = (reason: Error): void => {
      settled();
      reject(withFields(reason, store, call));
    };
    call.giveUp = giveUp;
    store.begin();
    store.deadlines.watch(call);
    signal?.addEventListener("abort", abort, { once: true });
    const working = !store.opened
      ? openThenWork(store, call, work)
      : turnIsSpent()
        ? workInNextTurn(call, work)
        : attempt(call, work);
    working.then(
      (result) => {
        store.end();
        if (call.giveUp === undefined) return;
        settled();
        resolve(result);
      },
      (error: unknown) => {
        store.end();
        if (call.giveUp === undefined) return;
        settled();
        reject(asStorageError(error, store, call));
      },
    );
  });
}

/** A driver that throws before there is a promise fails like one that rejects. */
function attempt<T>(call: Call, work: (call: Call) => Promise<T>): Promise<T> {
  try {
    return work(call);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What the call was given, or calls before it, have taken the time of this turn. */
async function workInNextTurn<T>(call: WatchedCall, work: (call: Call) => Promise<T>): Promise<T> {
  await new Slices(call).next();
  return work(call);
}

async function openThenWork<T>(
  store: StoreLifecycle<LifecycleDriver>,
  call: WatchedCall,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  await store.open(call.tenant);
  if (call.cancelled) throw call.cancellation();
  return work(call);
}

/** What is no storage error after the driver's own mapping is a defect; it is told as one, with its cause. */
export function asStorageError(error: unknown, store: WithDriver, call: Call): Error {
  const mapped = isStorageError(error) ? error : store.driver.mapError(error, call);
  if (isStorageError(mapped)) return withFields(mapped, store, call);
  const outcome = call.sent ? "unknown" : "not-applied";
  return withFields(
    new StorageConnectionError(`the ${store.driver.kind} backend failed unexpectedly`, {
      outcome,
      retryable: false,
      cause: error,
    }),
    store,
    call,
  );
}

function withFields<E extends Error>(error: E, store: WithDriver, call: Call): E {
  if (isStorageError(error)) {
    error.backend ??= store.driver.kind;
    error.operation ??= call.operation;
  }
  return error;
}
