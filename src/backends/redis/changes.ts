/** The feed of changes of the Redis backend (F8): PUBLISH in the scripts of writes, SUBSCRIBE on a connection of its own. */
import type { ChangeFeed } from "../../contract/change-feed.js";
import type { Call } from "../../domain/driver/call.js";
import { ToldChanges } from "../../domain/driver/told-changes.js";
import type { RedisClient } from "./connection/client.js";

export class RedisChanges {
  readonly #told: ToldChanges = new ToldChanges({ start: () => this.#start(), end: () => this.#end() });
  readonly #channel: string;
  readonly #connect: () => Promise<RedisClient>;
  #isOpen = false;
  #client: RedisClient | undefined;
  #starting: Promise<void> | undefined;

  /** @param prefix of the keys: others are other stores. @param connect makes a client, which is not connected yet */
  constructor(prefix: string, connect: () => Promise<RedisClient>) {
    this.#channel = `${prefix}:changes`;
    this.#connect = connect;
  }

  get feed(): ChangeFeed {
    return this.#told.feed;
  }

  /** What a write tells, behind what else `ARGV[2]` says. */
  readonly telling = (call: Call): string | undefined => {
    const text = this.#told.textOf(call);
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
    if (!this.#isOpen || !this.#told.isWanted) return;
    this.#starting ??= this.#listen();
  }

  async #listen(): Promise<void> {
    const client = await this.#connect();
    this.#client = client;
    // A server that is away is told by the calls of the storage; the client connects again by itself.
    client.on("error", () => undefined);
    client.on("message", (_channel, text) => this.#told.hear(text));
    client.on("close", () => this.#told.lose());
    client.on("ready", () => {
      client.call("subscribe", [this.#channel]).then(
        () => this.#told.begin(),
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
