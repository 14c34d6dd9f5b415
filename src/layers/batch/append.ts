/** Calls on their way into a batch: each waits for its turn within its own deadline, and settles with its own result. */
import type { Lease } from "../../contract/call.js";
import type { Message, NewMessage } from "../../contract/conversation-storage.js";
import { isStorageError, type StorageError } from "../../contract/errors.js";
import type { OperationName } from "../../contract/operations.js";
import type { Session } from "../../contract/session-storage.js";
import { type Deadlines, WatchedCall } from "../../domain/backend/deadlines.js";
import type { Counts } from "./counts.js";

export interface GatheredRequest {
  readonly tenant: string;
  readonly operation: OperationName;
  readonly lease: Lease | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface AppendRequest extends GatheredRequest {
  readonly messages: readonly NewMessage[];
  /** Encoded bytes of the messages, about. */
  readonly bytes: number;
}

/** A call that waits for its turn. */
class GatheredCall<Result> {
  readonly lease: Lease | undefined;
  readonly stored: Promise<Result>;
  isSettled = false;
  readonly #call: WatchedCall;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: unknown) => void;
  readonly #deadlines: Deadlines;
  readonly #signal: AbortSignal | undefined;

  constructor(request: GatheredRequest, deadlines: Deadlines) {
    this.lease = request.lease;
    const { signal } = request;
    this.#deadlines = deadlines;
    this.#signal = signal;
    this.#call = new WatchedCall(request.tenant, request.operation, request.timeoutMs, signal);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.stored = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** @param leave takes it out of its queue when it settles */
  protected begin(leave: () => void): void {
    const abort = (): void => this.#call.cancel();
    const settle = (): boolean => {
      if (this.isSettled) return false;
      this.isSettled = true;
      this.#deadlines.unwatch(this.#call);
      this.#signal?.removeEventListener("abort", abort);
      leave();
      return true;
    };
    const giveUp = (error: Error): void => {
      if (settle()) this.#reject(error);
    };
    this.#settle = settle;
    this.#call.giveUp = giveUp;
    this.#deadlines.watch(this.#call);
    if (this.#signal?.aborted) abort();
    else this.#signal?.addEventListener("abort", abort, { once: true });
  }

  #settle: () => boolean = () => false;

  remainingMs(): number {
    return this.#call.remainingMs();
  }

  /** From now on it may be in the store: who gives it up hears `unknown`. */
  sent(): void {
    this.#call.sent = true;
  }

  /** What it waited for has failed, and nothing of it is stored. */
  unsent(): void {
    this.#call.sent = false;
  }

  resolve(result: Result): void {
    if (this.#settle()) this.#resolve(result);
  }

  /** Each caller gets an error of his own: whoever hands it on may write on it. */
  reject(error: unknown): void {
    if (this.#settle()) this.#reject(isStorageError(error) ? copyOf(error) : error);
  }
}

/** Messages to store; it settles with them as they are stored. */
export class Append extends GatheredCall<Message[]> {
  readonly messages: readonly NewMessage[];
  readonly bytes: number;

  /** @param leave takes it out of its queue */
  constructor(request: AppendRequest, deadlines: Deadlines, leave: (append: Append) => void) {
    super(request, deadlines);
    this.messages = request.messages;
    this.bytes = request.bytes;
    this.begin(() => leave(this));
  }
}

/** Something to count; it settles with the session as it is when all of the batch is counted. */
export class CountedUpdate extends GatheredCall<Session> {
  readonly counts: Counts;

  /** @param leave takes it out of its queue */
  constructor(
    request: GatheredRequest & { readonly counts: Counts },
    deadlines: Deadlines,
    leave: (update: CountedUpdate) => void,
  ) {
    super(request, deadlines);
    this.counts = request.counts;
    this.begin(() => leave(this));
  }
}

function copyOf(error: StorageError): StorageError {
  return Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)) as StorageError;
}
