/**
 * The calls that a layer carries out in several steps: closing refuses new ones at once and waits for those under way (F4), and
 * what fails says the operation that was called, not the step that failed (F1).
 */
import { ClosedError, isStorageError } from "../contract/errors.js";

type Verb = (...args: unknown[]) => unknown;

export class CallsUnderWay {
  readonly #backend: string;
  readonly #root: CallsUnderWay;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** @param root that of the storage, for a tenant's view: the storage waits for the calls of its views */
  constructor(backend: string, root?: CallsUnderWay) {
    this.#backend = backend;
    this.#root = root ?? this;
  }

  /** The calls of a tenant's view. */
  view(): CallsUnderWay {
    return new CallsUnderWay(this.#backend, this.#root);
  }

  get isClosed(): boolean {
    return this.#closing !== undefined || this.#root.#closing !== undefined;
  }

  /** Refuses new calls, waits for those under way, then closes. A second time it gives the same. */
  close(then: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#drained().then(then);
    return this.#closing;
  }

  /** The same verbs, counted. */
  around<Verbs extends object>(verbs: Verbs): Verbs {
    return Object.fromEntries(
      Object.entries(verbs).map(([operation, verb]) => [operation, this.#counted(operation, verb as Verb)]),
    ) as unknown as Verbs;
  }

  async #drained(): Promise<void> {
    if (this.#root !== this) return;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  #counted(operation: string, verb: Verb): Verb {
    const fail = (error: unknown): never => {
      throw this.#named(error, operation);
    };
    return (...args) => {
      try {
        if (this.isClosed && operation !== "exportRecords") throw new ClosedError("the storage is closed");
        const result = verb(...args);
        return result instanceof Promise ? this.#watched(result.catch(fail)) : result;
      } catch (error) {
        const failure = this.#named(error, operation);
        // A stream refuses its arguments before there is a promise to reject; every other verb gives a promise.
        if (operation === "exportRecords") throw failure;
        return Promise.reject(failure);
      }
    };
  }

  #watched(result: Promise<unknown>): Promise<unknown> {
    const running = this.#root.#running;
    running.add(result);
    const done = (): unknown => running.delete(result);
    result.then(done, done);
    return result;
  }

  #named(error: unknown, operation: string): unknown {
    if (isStorageError(error)) {
      error.backend ??= this.#backend;
      error.operation = operation;
    }
    return error;
  }
}
