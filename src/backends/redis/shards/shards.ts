/** The shards of a storage: calls on their way to one of them, or to all. */
import type { Call } from "../../../domain/driver/call.js";
import type { Connection } from "../connection/connection.js";
import { type Guard, ShardCall } from "../connection/shard-call.js";
import { ShardNames, shardOfId } from "./placing.js";

export class Shards {
  readonly count: number;
  /** From 0. */
  readonly numbers: readonly number[];
  readonly #names: ShardNames;
  readonly connection: Connection;

  constructor(count: number, connection: Connection) {
    this.count = count;
    this.numbers = Array.from({ length: count }, (_, shard) => shard);
    this.#names = new ShardNames(count);
    this.connection = connection;
  }

  /** The shard of a session, the home of a thread, or the shard of the items below a first label. */
  of(id: string): number {
    return shardOfId(id, this.count);
  }

  call(call: Call, shard: number, guards: readonly Guard[] = []): Call {
    return new ShardCall(call, this.#names.of(call.tenant)[shard] as string, guards);
  }

  /** The call to each of the shards. */
  all(call: Call): Call[] {
    return this.#names.of(call.tenant).map((name) => new ShardCall(call, name, []));
  }

  /** The call to where this id belongs. */
  to(call: Call, id: string): Call {
    return this.call(call, this.of(id));
  }

  /** Asks all shards at once. */
  ask<T>(call: Call, work: (call: Call, shard: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.all(call).map(work));
  }

  /** Walks shard after shard. */
  async walk<T>(call: Call, work: (call: Call, shard: number) => Promise<T>): Promise<T[]> {
    const results: T[] = [];
    for (const [shard, each] of this.all(call).entries()) {
      if (call.cancelled) throw call.cancellation();
      results.push(await work(each, shard));
    }
    return results;
  }
}

/** What belongs to each shard, with its place in the whole. */
export function byShard<T>(
  things: readonly T[],
  shardOf: (thing: T) => number,
): Map<number, { readonly thing: T; readonly at: number }[]> {
  const groups = new Map<number, { readonly thing: T; readonly at: number }[]>();
  for (const [at, thing] of things.entries()) {
    const shard = shardOf(thing);
    const group = groups.get(shard);
    if (group === undefined) groups.set(shard, [{ thing, at }]);
    else group.push({ thing, at });
  }
  return groups;
}
