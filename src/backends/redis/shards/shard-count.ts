/** The number of shards that a store has: written when it is made, and never changed. */
import { CorruptionError, UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type { Connection } from "../connection/connection.js";
import { shardsKey } from "../keys.js";

/**
 * The store's number of shards; a store that is new gets the one that is asked for.
 * @throws UnsupportedError when another one is asked for
 */
export async function shardCount(connection: Connection, call: Call): Promise<number> {
  const { prefix, shards: wanted } = connection.options;
  const key = shardsKey(prefix);
  const stored = async (): Promise<string | null> => connection.command<string | null>(call, "get", [key]);
  let found = await stored();
  if (found === null) {
    // A store from before there were shards has the tenant that opens it, and no number.
    const old = (await connection.command<number>(call, "exists", [connection.keyOf(call.tenant)])) === 1;
    await connection.command(call, "set", [key, old ? 1 : (wanted ?? 1), "NX"]);
    found = await stored();
  }
  const count = Number(found);
  if (!Number.isInteger(count) || count < 1) throw new CorruptionError("the number of shards of the store is damaged");
  if (wanted !== null && wanted !== count) {
    throw new UnsupportedError(
      `the store has ${count} shards, not ${wanted}: they are chosen when a store is made; export, and import under another prefix`,
    );
  }
  return count;
}
