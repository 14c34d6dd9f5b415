/** `waystone items ls`: a page of the items below a namespace. */

import type { Item } from "../../contract/item-storage.js";
import type { Invocation } from "../invocation.js";
import { countColumn, idColumn, timeColumn } from "../output/columns.js";
import { jsonField } from "../output/json.js";
import { printListing } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { withStore } from "../store.js";

export interface ItemsLsOptions {
  readonly order: "key" | "created" | "updated";
  readonly limit?: number;
  readonly cursor?: string;
}

const ORDERS = { key: "key", created: "createdAt", updated: "updatedAt" } as const;

const COLUMNS: readonly Column<Item>[] = [
  {
    title: "NAMESPACE",
    value: (item) => jsonField(item.namespace),
    shown: (item) => item.namespace.join(" "),
    keep: 8,
    cut: "middle",
  },
  idColumn("KEY", (item) => item.key, 10),
  { title: "VALUE", value: (item) => jsonField(item.value), keep: 9, cut: "end" },
  countColumn("VERSION", (item) => item.version, 3),
  timeColumn("UPDATED", (item) => item.updatedAt, 7),
  timeColumn("CREATED", (item) => item.createdAt, 2),
  timeColumn("EXPIRES", (item) => item.expiresAt, 5),
];

export async function itemsLs(
  invocation: Invocation,
  [labels]: readonly [readonly string[]],
  { order, limit, cursor }: ItemsLsOptions,
): Promise<void> {
  const page = await withStore(invocation, (storage) =>
    storage.searchItems(labels, { orderBy: ORDERS[order], limit, cursor, signal: invocation.signal }),
  );
  await printListing(invocation, { noun: "item", columns: COLUMNS, rows: page.items, nextCursor: page.nextCursor });
}
