/** An append on its way into a batch: it waits for its turn within its own deadline, and settles with its own result. */
import type { Lease } from "../../contract/call.js";
import type { Message, NewMessage } from "../../contract/conversation-storage.js";
import { isStorageError, type StorageError } from "../../contract/errors.js";
import type { OperationName } from "../../contract/operations.js";
import { type Deadlines, WatchedCall } from "../../domain/backend/deadlines.js";

export interface AppendRequest {
  readonly tenant: string;
  readonly operation: OperationName;
  readonly messages: readonly NewMessage[];
  /** Encoded bytes of the messages, about. */
  readonly bytes: number;
  readonly lease: Lease | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export class Append {
  readonly messages: readonly NewMessage[];
  readonly bytes: number;
  readonly lease: Lease | undefined;
  /** Settles with the messages as they are stored. */
  readonly stored: Promise<Message[]>;
  isSettled = false;
  readonly #call: WatchedCall;
  readonly #resolve: (messages: Message[]) => void;
  readonly #reject: (error: unknown) => void;

  /** @param leave takes it out of its queue */
  constructor(request: AppendRequest, deadlines: Deadlines, leave: (append: Append) => void) {
    this.messages = request.messages;
    this.bytes = request.bytes;
    this.lease = request.lease;
    const { signal } = request;
    this.#call = new WatchedCall(request.tenant, request.operation, request.timeoutMs, signal);
    const { promise, resolve, reject } = Promise.withResolvers<Message[]>();
    const abort = (): void => this.#call.cancel();
    const settle = (): boolean => {
      if (this.isSettled) return false;
      this.isSettled = true;
      deadlines.unwatch(this.#call);
      signal?.removeEventListener("abort", abort);
      leave(this);
      return true;
    };
    this.stored = promise;
    this.#resolve = (messages) => {
      if (settle()) resolve(messages);
    };
    this.#reject = (error) => {
      if (settle()) reject(error);
    };
    this.#call.giveUp = this.#reject;
    deadlines.watch(this.#call);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  }

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

  resolve(messages: Message[]): void {
    this.#resolve(messages);
  }

  /** Each caller gets an error of his own: whoever hands it on may write on it. */
  reject(error: unknown): void {
    this.#reject(isStorageError(error) ? copyOf(error) : error);
  }
}

function copyOf(error: StorageError): StorageError {
  return Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error)) as StorageError;
}
