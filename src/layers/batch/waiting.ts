/** What waits in the layer `batch`: its bounds, and its end. */
import { CallRefusedError } from "../../contract/errors.js";
import { Deadlines } from "../../domain/backend/deadlines.js";
import type { Append, CountedUpdate } from "./append.js";
import type { Lane } from "./lane.js";

/** Appends that have not settled, of all storages that the layer is around. */
export class Waiting {
  readonly deadlines: Deadlines = new Deadlines();
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #lanes = new Set<Lane<Append> | Lane<CountedUpdate>>();
  readonly #appends = new Set<Append>();
  readonly #updates = new Set<CountedUpdate>();
  messages = 0;
  bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  /** @throws CallRefusedError when there is no room for more */
  assertRoom(messages: number, bytes: number): void {
    const waiting = this.messages + this.#updates.size;
    if (waiting === 0 || (waiting + messages <= this.#maxMessages && this.bytes + bytes <= this.#maxBytes)) return;
    throw new CallRefusedError(
      "queue-full",
      `${waiting} messages and updates wait to be stored: there is no room for more`,
    );
  }

  enter(append: Append, lane: Lane<Append>): void {
    this.#appends.add(append);
    this.#lanes.add(lane);
    this.messages += append.messages.length;
    this.bytes += append.bytes;
  }

  leave(append: Append): void {
    if (!this.#appends.delete(append)) return;
    this.messages -= append.messages.length;
    this.bytes -= append.bytes;
  }

  enterUpdate(update: CountedUpdate, lane: Lane<CountedUpdate>): void {
    this.#updates.add(update);
    this.#lanes.add(lane);
  }

  leaveUpdate(update: CountedUpdate): void {
    this.#updates.delete(update);
  }

  end(lane: Lane<Append> | Lane<CountedUpdate>): void {
    this.#lanes.delete(lane);
  }

  async flush(): Promise<void> {
    for (const lane of this.#lanes) lane.flush();
    await Promise.allSettled([...this.#appends, ...this.#updates].map(({ stored }) => stored as Promise<unknown>));
  }
}
