/** Items of the PostgreSQL backend (M1-M3). */
import { UnsupportedError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import type { StoredItem } from "../../domain/driver/stored.js";
import { updateStored } from "../../domain/item-changes.js";
import { isDeletable, isItemExpired, putStored, refreshStored } from "../../domain/items.js";
import { sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import {
  bytesBeyond,
  deleteItem,
  ITEM_COLUMNS,
  type ItemRow,
  insertItem,
  itemId,
  namespaceBytes,
  placesWithin,
  selectItem,
  sweepExpiredItems,
  toItem,
  updateItem,
} from "./item-rows.js";
import { selectCount, selectItems, selectNamespaces, toItemRows, toNamespaceRows } from "./item-search.js";
import type { Database } from "./store.js";

export function itemVerbs(database: () => Database): ItemDriver {
  return {
    runItemSteps(call, steps) {
      return steps.some(isWrite) ? writeSteps(database(), call, steps) : readSteps(database(), call, steps);
    },

    async searchItems(call, listing) {
      const db = database();
      return toItemRows(await db.read<ItemRow>(call, selectItems(call.tenant, listing, db.now())), listing);
    },

    async countItems(call, count) {
      const db = database();
      const [row] = await db.read<{ count: number }>(call, selectCount(call.tenant, count, db.now()));
      return row?.count ?? 0;
    },

    async listNamespaces(call, listing) {
      const db = database();
      const statement = selectNamespaces(call.tenant, listing, db.now());
      return toNamespaceRows(await db.read<{ labels: string }>(call, statement), listing);
    },

    async deleteItems(call, prefix) {
      const db = database();
      const [row] = await db.write<{ count: number }>(
        call,
        sql`WITH deleted AS (
            DELETE FROM @items WHERE tenant = ${call.tenant} AND ${placesWithin(namespaceBytes(prefix), bytesBeyond(prefix))}
            RETURNING expires_at)
          SELECT count(*) FILTER (WHERE expires_at IS NULL OR expires_at > ${db.now()}) AS count FROM deleted`,
      );
      return row?.count ?? 0;
    },
  };
}

function isWrite(step: ItemStep): boolean {
  return (
    step.kind === "put" || step.kind === "update" || step.kind === "delete" || (step.kind === "get" && step.refreshTtl)
  );
}

/** A step about one item. */
type NamedStep = Extract<ItemStep, { readonly key: string }>;

function isNamed(step: ItemStep): step is NamedStep {
  return "key" in step;
}

/** Steps that change nothing, all of one moment. */
async function readSteps(db: Database, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  const now = db.now();
  const [only] = steps;
  if (steps.length === 1 && only?.kind === "get") {
    const [row] = await db.read<ItemRow>(call, selectItem(call.tenant, only));
    return [{ kind: "get", item: row === undefined || isItemExpired(row, now) ? undefined : toItem(row) }];
  }
  return db.snapshot(call, async (tx) => {
    const items = new Map<string, StoredItem>();
    for (const item of await findItems(tx, call.tenant, steps.filter(isNamed), false)) items.set(nameOf(item), item);
    return Promise.all(steps.map((step) => runStep(tx, call.tenant, step, items, now)));
  });
}

/** All items that the steps name are locked first; then the steps go on in memory, and their writes need no answer. */
function writeSteps(db: Database, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  return db.transact(call, async (tx) => {
    const now = db.now();
    const items = new Map<string, StoredItem>();
    for (const item of await findItems(tx, call.tenant, steps.filter(isNamed), true)) items.set(nameOf(item), item);
    const results: ItemStepResult[] = [];
    for (const step of steps) results.push(await runStep(tx, call.tenant, step, items, now));
    // Each batch that puts what will expire takes two that have expired with it: they never become many.
    if (steps.some((step) => (step.kind === "put" || step.kind === "update") && step.ttlMs !== null))
      tx.run(sweepExpiredItems(call.tenant, now, 2));
    return results;
  });
}

function nameOf(address: { readonly namespace: readonly string[]; readonly key: string }): string {
  return itemId(address).toString("hex");
}

async function findItems(
  tx: Transaction,
  tenant: string,
  addresses: readonly { readonly namespace: readonly string[]; readonly key: string }[],
  lock: boolean,
): Promise<StoredItem[]> {
  if (addresses.length === 0) return [];
  const ids = [...new Set(addresses.map(nameOf))];
  const rows = await tx.query<ItemRow>(
    sql`SELECT ${ITEM_COLUMNS} FROM @items WHERE tenant = ${tenant}
      AND item_id = ANY(ARRAY(SELECT decode(id, 'hex') FROM unnest(${ids}::text[]) id))
      ORDER BY item_id ${lock ? sql`FOR NO KEY UPDATE` : sql``}`,
  );
  return rows.map(toItem);
}

/** `items` are those that are stored, also expired ones; a step changes it as it changes the store. */
async function runStep(
  tx: Transaction,
  tenant: string,
  step: ItemStep,
  items: Map<string, StoredItem>,
  now: number,
): Promise<ItemStepResult> {
  switch (step.kind) {
    case "put":
    case "update": {
      const name = nameOf(step);
      const stored = items.get(name);
      const item = step.kind === "put" ? putStored(stored, step, now) : updateStored(stored, step, now);
      // One that came in between is not overwritten unseen: the transaction is done again.
      tx.run(stored === undefined ? insertItem(tenant, item) : updateItem(tenant, item));
      items.set(name, item);
      return { kind: step.kind, item };
    }
    case "get": {
      const name = nameOf(step);
      const stored = items.get(name);
      if (stored === undefined || isItemExpired(stored, now)) return { kind: "get", item: undefined };
      const item = step.refreshTtl ? refreshStored(stored, now) : stored;
      if (item !== stored) tx.run(updateItem(tenant, item));
      items.set(name, item);
      return { kind: "get", item };
    }
    case "delete": {
      const name = nameOf(step);
      const deleted = isDeletable(items.get(name), step.expectedVersion, now);
      if (deleted) {
        tx.run(deleteItem(tenant, step));
        items.delete(name);
      }
      return { kind: "delete", deleted };
    }
    case "search": {
      const rows = await tx.query<ItemRow>(selectItems(tenant, step.listing, now));
      return { kind: "search", rows: toItemRows(rows, step.listing) };
    }
    case "count": {
      const row = await tx.get<{ count: number }>(selectCount(tenant, step.count, now));
      return { kind: "count", count: row?.count ?? 0 };
    }
    case "nearest":
      throw new UnsupportedError("the PostgreSQL backend does not compare vectors");
    case "namespaces": {
      const rows = await tx.query<{ labels: string }>(selectNamespaces(tenant, step.listing, now));
      return { kind: "namespaces", rows: toNamespaceRows(rows, step.listing) };
    }
  }
}
