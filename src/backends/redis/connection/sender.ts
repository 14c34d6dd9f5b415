/**
 * Sends commands through a client. Those of `ioredis` 6 make a function as the value of an assignment to a property, which V8 puts among the old
 * objects: each keeps its command and the reply until a full collection, and each small one copies them all. Ours make it among the young ones.
 */
import type { RedisArgument, RedisClient } from "./client.js";

/** A command and its arguments. */
export type PlainCommand = readonly [name: string, ...args: RedisArgument[]];

export interface Sender {
  /** @param binary whether texts of the reply come as bytes */
  readonly send: (name: string, args: RedisArgument[], binary: boolean) => Promise<unknown>;
  /** Sends one behind the other; `undefined` where they do not leave as one piece by themselves. */
  readonly sendTogether?: ((commands: readonly PlainCommand[], binary: boolean) => Promise<unknown>[]) | undefined;
}

/** What this knows of a command of `ioredis` 6. */
interface SentCommand {
  isResolved: boolean;
  isSettled: boolean;
  transformed: boolean;
  resolve: (reply: unknown) => unknown;
  reject: (error: Error) => void;
  promise: Promise<unknown>;
  stringifyArguments(): void;
  _convertValue(resolve: (reply: unknown) => void): (reply: unknown) => unknown;
  _clearTimers(): void;
}

type CommandClass = new (
  name: string,
  args: RedisArgument[],
  options: { readonly replyEncoding: "utf8" | null },
) => SentCommand;

/** A client that sends commands as objects. Those that it makes itself follow settings that ours would not. */
interface SendingClient {
  readonly options?: { readonly [name: string]: unknown };
  readonly stream?: Writable | undefined;
  sendCommand(command: SentCommand, into?: Together): Promise<unknown>;
}

interface Writable {
  write(bytes: string | Buffer): unknown;
}

const SETTINGS_OF_COMMANDS = ["keyPrefix", "showFriendlyErrorStack", "enableAutoPipelining"];
const METHODS = ["initPromise", "stringifyArguments", "_convertValue", "_clearTimers"];

/** Commands of our own where the client is one of `ioredis` 6 for a single server or Sentinels, and otherwise the client's. */
export async function senderOf(client: RedisClient): Promise<Sender> {
  const Command = await commandsOf(client);
  if (Command === undefined) {
    return { send: (name, args, binary) => (binary ? client.callBuffer(name, args) : client.call(name, args)) };
  }
  const Young = youngCommand(Command);
  const sending = client as unknown as SendingClient;
  return {
    send: (name, args, binary) => sending.sendCommand(new Young(name, args, binary ? AS_BYTES : AS_TEXT)),
    sendTogether(commands, binary) {
      const together = new Together(sending);
      const encoding = binary ? AS_BYTES : AS_TEXT;
      const replies = commands.map(([name, ...args]) => sending.sendCommand(new Young(name, args, encoding), together));
      together.leave();
      return replies;
    },
  };
}

/** Takes what commands write, as a pipeline of `ioredis` does: one text costs less on its way than a list of them. */
class Together {
  readonly isPipeline = true;
  readonly destination: { readonly redis: SendingClient };
  #text = "";

  constructor(redis: SendingClient) {
    this.destination = { redis };
  }

  write(bytes: string | Buffer): void {
    if (typeof bytes === "string") {
      this.#text += bytes;
      return;
    }
    this.leave();
    this.destination.redis.stream?.write(bytes);
  }

  leave(): void {
    if (this.#text !== "") this.destination.redis.stream?.write(this.#text);
    this.#text = "";
  }
}

async function commandsOf(client: RedisClient): Promise<CommandClass | undefined> {
  const { options } = client as unknown as SendingClient;
  if (SETTINGS_OF_COMMANDS.some((setting) => Boolean(options?.[setting]))) return undefined;
  let module: { readonly Redis?: unknown; readonly Command?: CommandClass };
  try {
    module = (await import("ioredis")) as unknown as typeof module;
  } catch {
    // The client is another library's.
    return undefined;
  }
  const { Redis, Command } = module;
  if (typeof Redis !== "function" || !(client instanceof Redis) || typeof Command !== "function") return undefined;
  const methods = Command.prototype as { readonly [name: string]: unknown };
  return METHODS.every((method) => typeof methods[method] === "function") ? Command : undefined;
}

const AS_BYTES = { replyEncoding: null };
const AS_TEXT = { replyEncoding: "utf8" } as const;

const known = new WeakMap<CommandClass, CommandClass>();

function youngCommand(Command: CommandClass): CommandClass {
  let Young = known.get(Command);
  if (Young === undefined) {
    Young = class extends Command {
      /** In place of the method of this name, which the constructor calls. */
      initPromise(): void {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>();
        this.isResolved = false;
        this.isSettled = false;
        this.transformed = true;
        this.stringifyArguments();
        // Named before it is assigned: that is all the difference.
        const refuse = (error: Error): void => {
          this._clearTimers();
          this.isSettled = true;
          reject(error);
        };
        this.resolve = this._convertValue(resolve);
        this.reject = refuse;
        this.promise = promise;
      }
    };
    known.set(Command, Young);
  }
  return Young;
}
