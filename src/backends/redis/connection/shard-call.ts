/** A call on its way to one shard of its tenant: for all that is below, the shard is a tenant of its own. */
import type { Call } from "../../../domain/driver/call.js";
import { handChangesOn } from "../../../domain/driver/changes.js";

/** A thread that a script is about, and what must be true for the shard to be the one that has it. */
export interface Guard {
  readonly threadId: string;
  /** Which of the shard's counts of withdrawn claims is the thread's. */
  readonly bucket: number;
  /** The thread's own shard by its id: it has the thread unless it says where else it is. */
  readonly home: boolean;
  /** Elsewhere it has the thread if it is there already; or may begin it as long as its count of withdrawn claims is this one. */
  readonly epoch?: string | undefined;
  /** It is only read, beside another one. */
  readonly source?: boolean | undefined;
  /** The thread is to be taken over from what has arrived: so many keys, under this name. */
  readonly arrival?: { readonly name: string; readonly keys: number } | undefined;
}

export class ShardCall implements Call {
  readonly tenant: string;
  readonly operation: Call["operation"];
  readonly guards: readonly Guard[];
  readonly #call: Call;

  constructor(call: Call, tenant: string, guards: readonly Guard[]) {
    this.tenant = tenant;
    this.operation = call.operation;
    this.guards = guards;
    this.#call = call;
    handChangesOn(call, this);
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  get sent(): boolean {
    return this.#call.sent;
  }

  set sent(value: boolean) {
    this.#call.sent = value;
  }

  remainingMs(): number {
    return this.#call.remainingMs();
  }

  cancellation(): Error {
    return this.#call.cancellation();
  }
}
