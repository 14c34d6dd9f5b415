/** Calls that are on their way through an interceptor. One may hold calls back, and closing must not overtake them (F4). */
import { ClosedError } from "../contract/errors.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { type LayerCall, ofCall } from "./layer-call.js";

/** Those of one view of a storage; a tenant's view counts for the storage too. */
export class CallsInFlight {
  readonly #storage: CallsInFlight | undefined;
  #count = 0;
  #closing = false;
  #onIdle: (() => void) | undefined;

  constructor(storage?: CallsInFlight) {
    this.#storage = storage;
  }

  get closing(): boolean {
    return this.#closing || this.#storage?.closing === true;
  }

  watch<T>(running: Promise<T>): Promise<T> {
    this.#begin();
    running.then(this.#end, this.#end);
    return running;
  }

  refuse(call: LayerCall): ClosedError {
    return ofCall(call, new ClosedError("the storage is closed"));
  }

  /** Refuses what comes from now on, and waits for what is on its way; no longer than the storage itself would. */
  async drain({ timeoutMs }: StorageBackend): Promise<void> {
    this.#closing = true;
    if (this.#count === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  #begin(): void {
    this.#count += 1;
    if (this.#storage !== undefined) this.#storage.#begin();
  }

  readonly #end = (): void => {
    this.#count -= 1;
    if (this.#count === 0) this.#onIdle?.();
    if (this.#storage !== undefined) this.#storage.#end();
  };
}
