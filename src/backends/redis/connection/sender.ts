/**
 * Sends commands through a client. Those of `ioredis` 6 make a function as the value of an assignment to a property, which V8 puts among the old
 * objects: each keeps its command and the reply until a full collection, and each small one copies them all. Ours make it among the young ones.
 */
import type { RedisArgument, RedisClient } from "./client.js";

/** @param binary whether texts of the reply come as bytes */
export type Send = (name: string, args: RedisArgument[], binary: boolean) => Promise<unknown>;

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
  sendCommand(command: SentCommand): Promise<unknown>;
}

const SETTINGS_OF_COMMANDS = ["keyPrefix", "showFriendlyErrorStack", "enableAutoPipelining"];
const METHODS = ["initPromise", "stringifyArguments", "_convertValue", "_clearTimers"];

/** Commands of our own where the client is one of `ioredis` 6 for a single server or Sentinels, and otherwise the client's. */
export async function senderOf(client: RedisClient): Promise<Send> {
  const Command = await commandsOf(client);
  if (Command === undefined) {
    return (name, args, binary) => (binary ? client.callBuffer(name, args) : client.call(name, args));
  }
  const Young = youngCommand(Command);
  const sending = client as unknown as SendingClient;
  return (name, args, binary) => sending.sendCommand(new Young(name, args, binary ? AS_BYTES : AS_TEXT));
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
