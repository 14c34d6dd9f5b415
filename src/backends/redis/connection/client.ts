/** The part of `ioredis` that this backend uses, so that a client of the application's own, or of `iovalkey`, fits as well. */
import { UnsupportedError } from "../../../contract/errors.js";

/** What a command carries. */
export type RedisArgument = string | Buffer | number;

/** What a client says about its connection. */
type ClientEvent = "ready" | "close" | "end" | "error" | "node error";

/** A connection to a server, or to a cluster: `new Redis()` or `new Cluster()` of `ioredis`, or what behaves like them. */
export interface RedisClient {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(): void;
  quit(): Promise<unknown>;
  call(command: string, args: RedisArgument[]): Promise<unknown>;
  callBuffer(command: string, args: RedisArgument[]): Promise<unknown>;
  on(event: ClientEvent, listener: (error: Error) => void): unknown;
  on(event: "message", listener: (channel: string, message: string) => void): unknown;
  removeListener(event: ClientEvent, listener: (error: Error) => void): unknown;
  duplicate(...overrides: never[]): RedisClient;
  /** Only a cluster has it. */
  nodes?(role: "master"): RedisClient[];
}

/** What this backend takes from `ioredis` itself. */
export interface RedisModule {
  readonly Redis: new (options: { readonly [name: string]: unknown }) => RedisClient;
  readonly Cluster: new (
    nodes: readonly { readonly host: string; readonly port: number }[],
    options: { readonly [name: string]: unknown },
  ) => RedisClient;
}

/**
 * Loads `ioredis`, which the application installs.
 * @throws UnsupportedError that says how
 */
export async function loadRedis(): Promise<RedisModule> {
  try {
    return (await import("ioredis")) as unknown as RedisModule;
  } catch (error) {
    throw new UnsupportedError("the Redis backend needs the package ioredis: npm install ioredis", { cause: error });
  }
}
