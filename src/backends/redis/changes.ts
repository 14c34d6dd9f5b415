/** The feed of changes of the Redis backend (F8): PUBLISH in the scripts of writes, SUBSCRIBE on a connection of its own. */
import { randomUUID } from "node:crypto";
import type { ChangeFeed } from "../../contract/change-feed.js";
import type { Call } from "../../domain/driver/call.js";
import { ChangeListeners, changeText, tellText } from "../../domain/driver/changes.js";
import type { RedisClient } from "./connection/client.js";

export class RedisChanges {
  readonly #listeners = new ChangeListeners();
  readonly #origin = randomUUID();
  readonly #channel: string;
  readonly #connect: () => Promise<RedisClient>;
  /** Whether the server tells this process what others write. */
  #isListening = false;
  #isOpen = false;
  #client: RedisClient | undefined;
  #starting: Promise<void> | undefined;

  /** @param prefix of the keys: others are other stores. @param connect makes a client, which is not connected yet */
  constructor(prefix: string, connect: () => Promise<RedisClient>) {
    this.#channel = `${prefix}:changes`;
    this.#connect = connect;
  }

  get feed(): ChangeFeed {
    return {
      subscribe: (listener) => {
        const leave = this.#listeners.add(listener);
        this.#start();
        if (this.#isListening) listener("lost");
        return () => {
          leave();
          return this.#listeners.size === 0 ? this.#end() : undefined;
        };
      },
    };
  }

  /** What a write tells, behind what else `ARGV[2]` says. */
  readonly telling = (call: Call): string | undefined => {
    const text = changeText(this.#origin, call);
    return text === undefined ? undefined : `${this.#channel}\n${text}`;
  };

  /** The storage is open. */
  open(): void {
    this.#isOpen = true;
    this.#start();
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#end();
  }

  #start(): void {
    if (!this.#isOpen || this.#listeners.size === 0) return;
    this.#starting ??= this.#listen();
  }

  async #listen(): Promise<void> {
    const client = await this.#connect();
    this.#client = client;
    // A server that is away is told by the calls of the storage; the client connects again by itself.
    client.on("error", () => undefined);
    client.on("message", (_channel, text) => tellText(this.#listeners, this.#origin, text));
    // Behind each loss of the connection lies a gap, in which anything may have changed.
    client.on("close", () => {
      this.#isListening = false;
      this.#listeners.tell("lost");
    });
    client.on("ready", () => {
      client.call("subscribe", [this.#channel]).then(
        () => {
          this.#isListening = true;
          this.#listeners.tell("lost");
        },
        () => client.disconnect(),
      );
    });
    client.connect().catch(() => undefined);
  }

  async #end(): Promise<void> {
    await this.#starting;
    this.#starting = undefined;
    const client = this.#client;
    this.#client = undefined;
    client?.disconnect();
  }
}
