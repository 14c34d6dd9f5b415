/** One call on its way to the store, as the layers see it that only stand on the way. */
import type { CallOptions } from "../contract/call.js";
import type { StorageError } from "../contract/errors.js";
import { OPERATIONS, type OperationName, type OperationTraits } from "../contract/operations.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { isTimeout } from "../domain/call-options.js";
import { keptArguments } from "./kept-arguments.js";

/** A call of an operation. Its arguments are the caller's own: look, and change nothing. */
export interface LayerCall {
  readonly operation: OperationName;
  /** The operation's row in the table. */
  readonly traits: OperationTraits<never[]>;
  readonly args: readonly unknown[];
  /**
   * Copies the arguments, because the caller may change them once it goes on. An interceptor that waits before it calls `next`, or
   * calls it twice, asks for this before anything else.
   */
  keepArguments(): void;
  /** Kind of the storage: `sqlite`, … */
  readonly backend: string;
  readonly tenant: string;
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds in which the call must settle (F2): the caller's, else the storage's. Infinite for a stream. */
  readonly timeoutMs: number;
  /** Whether `next` may be called again: `false` once the reader of a stream has seen a record of it. */
  readonly repeatable: boolean;
  /** Attempts after the first that were made further inside, or here. */
  readonly retries: number;
  /** Counts one more attempt, for this layer and those outside of it. */
  countRetry(): void;
}

/** Fills in where an error of a layer comes from (F1). */
export function ofCall<E extends StorageError>(call: LayerCall, error: E): E {
  error.backend ??= call.backend;
  error.operation ??= call.operation;
  return error;
}

/** Whether a second one does no harm where the first may have been applied: by the table of operations, or by the call's own key. */
export function isHarmlessTwice({ traits, args }: LayerCall): boolean {
  const { retry } = traits;
  return typeof retry === "string" ? retry === "idempotent" : retry.keyed(...(args as never[]));
}

/**
 * Calls that no policy may hold up or refuse: closing always works (F4), and a check of the health answers, whatever is wrong (F7).
 */
export function passesAlways({ operation }: LayerCall): boolean {
  return operation === "close" || operation === "healthCheck";
}

/** Lets the call go on to the store, with another signal or deadline if they are given. */
export type Next<T> = (changes?: CallOptions) => Promise<T>;

/**
 * Stands on the way of every call. It may wait, give up, call `next` again or not at all; what the call resolves to comes from
 * `next` alone, so that it cannot change what an operation means. A stream's `next` resolves when the stream has ended, or its
 * reader has left.
 */
export type Interceptor = <T>(call: LayerCall, next: Next<T>) => Promise<T>;

/** The call whose interceptor is letting it go on right now: the one outside of the calls that begin meanwhile. */
let goingOn: InterceptedCall | undefined;

/** The call that `intercept` makes. */
export class InterceptedCall implements LayerCall {
  readonly operation: OperationName;
  readonly traits: OperationTraits<never[]>;
  args: readonly unknown[];
  repeatable = true;
  retries = 0;
  readonly #outer: InterceptedCall | undefined = goingOn;
  readonly #storage: StorageBackend;

  constructor(storage: StorageBackend, operation: OperationName, args: readonly unknown[]) {
    this.#storage = storage;
    this.operation = operation;
    this.traits = OPERATIONS[operation] as OperationTraits<never[]>;
    this.args = args;
  }

  get backend(): string {
    return this.#storage.kind;
  }

  get tenant(): string {
    return this.#storage.tenantName;
  }

  get signal(): AbortSignal | undefined {
    const signal = this.#options?.signal;
    return signal instanceof AbortSignal ? signal : undefined;
  }

  get timeoutMs(): number {
    if (this.traits.settles === "stream") return Number.POSITIVE_INFINITY;
    const timeoutMs = this.#options?.timeoutMs;
    return isTimeout(timeoutMs) ? timeoutMs : this.#storage.timeoutMs;
  }

  keepArguments(): void {
    // What an import reads is a source and no value.
    if (this.operation !== "importRecords") this.args = keptArguments(this.args);
  }

  countRetry(): void {
    for (let call: InterceptedCall | undefined = this; call !== undefined; call = call.#outer) call.retries += 1;
  }

  /** Hands the call on; what begins until `work` returns is inside of it. */
  goOn<R>(work: () => R): R {
    const before = goingOn;
    goingOn = this;
    try {
      return work();
    } finally {
      goingOn = before;
    }
  }

  /** The arguments with other options. What is no option at all stays, so that the storage refuses it. */
  argsWith(changes: CallOptions | undefined): readonly unknown[] {
    const { optionsAt, settles } = this.traits;
    if (changes === undefined || optionsAt === null) return this.args;
    const given = this.args[optionsAt];
    if (given !== undefined && this.#options === undefined) return this.args;
    const options: { [name: string]: unknown } = { ...(given as object | undefined) };
    const { signal, timeoutMs } = changes;
    if (signal !== undefined && (options.signal === undefined || this.signal !== undefined)) options.signal = signal;
    if (
      timeoutMs !== undefined &&
      settles === "deadline" &&
      (options.timeoutMs === undefined || isTimeout(options.timeoutMs))
    ) {
      options.timeoutMs = timeoutMs;
    }
    const args = [...this.args];
    // Optional arguments before the options may be left out.
    while (args.length < optionsAt) args.push(undefined);
    args[optionsAt] = options;
    return args;
  }

  /** The caller's options, if they are an object of fields. */
  get #options(): { readonly signal?: unknown; readonly timeoutMs?: unknown } | undefined {
    const { optionsAt } = this.traits;
    const given = optionsAt === null ? undefined : this.args[optionsAt];
    if (given === null || typeof given !== "object" || Array.isArray(given)) return undefined;
    // A Date or a Map would pass as an object without fields, once it were copied.
    const isPlain = Object.getPrototypeOf(given) === Object.prototype || Object.keys(given).length > 0;
    return isPlain ? given : undefined;
  }
}
