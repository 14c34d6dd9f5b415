/** All items below a prefix deleted (M5). */
import { isItemExpired } from "../../domain/items.js";
import type { Connection } from "./connection/connection.js";
import { deleteSome } from "./item-rows.js";
import { forgetDimensions } from "./item-vectors.js";

/** Items deleted between two looks at the time. */
const DELETED_AT_ONCE = 20;

/** Which items go. `now` decides which have expired, and count no more. */
export interface ItemDeletion {
  readonly prefix: readonly string[];
  readonly now: number;
}

/** Returns how many there were. */
export function* deleteItems(
  tx: Connection,
  tenant: number,
  { prefix, now }: ItemDeletion,
): Generator<void, number, void> {
  let live = 0;
  for (;;) {
    const deleted = deleteSome(tx, tenant, prefix, DELETED_AT_ONCE);
    live += deleted.filter((expiresAt) => !isItemExpired({ expiresAt }, now)).length;
    if (deleted.length < DELETED_AT_ONCE) break;
    yield;
  }
  const [root] = prefix;
  if (root !== undefined && prefix.length === 1) forgetDimensions(tx, tenant, root);
  return live;
}
