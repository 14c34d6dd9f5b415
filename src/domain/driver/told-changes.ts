/** A feed of changes that a server tells of, on a connection that is there as long as somebody listens (F8). */
import { randomUUID } from "node:crypto";
import type { ChangeFeed } from "../../contract/change-feed.js";
import type { Call } from "./call.js";
import { ChangeListeners, changeText, tellText } from "./changes.js";

/** How the server is listened to: both do nothing where there is nothing to do. */
interface Listening {
  start(): void;
  end(): Promise<void>;
}

export class ToldChanges {
  readonly feed: ChangeFeed;
  readonly #listeners = new ChangeListeners();
  readonly #origin: string = randomUUID();
  #isListening = false;

  constructor(listening: Listening) {
    this.feed = {
      subscribe: (listener) => {
        const leave = this.#listeners.add(listener);
        listening.start();
        if (this.#isListening) listener("lost");
        return () => {
          leave();
          return this.isWanted ? undefined : listening.end();
        };
      },
    };
  }

  /** Whether somebody listens. */
  get isWanted(): boolean {
    return this.#listeners.size > 0;
  }

  /** What a call changes, for others; `undefined` for one that changes nothing. */
  textOf(call: Call): string | undefined {
    return changeText(this.#origin, call);
  }

  hear(text: string): void {
    tellText(this.#listeners, this.#origin, text);
  }

  /** From here on the server tells what others write: what was read before is older. */
  begin(): void {
    this.#isListening = true;
    this.#listeners.tell("lost");
  }

  /** The connection is lost: behind it lies a gap, in which anything may have changed. */
  lose(): void {
    this.#isListening = false;
    this.#listeners.tell("lost");
  }
}
