/** Items of the PostgreSQL backend (M1-M6). */
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import type { StoredItem } from "../../domain/driver/stored.js";
import { UpdatedValues, updateStored } from "../../domain/item-changes.js";
import { isDeletable, isItemExpired, putStored, refreshStored } from "../../domain/items.js";
import { rootOf } from "../../domain/namespaces.js";
import { bringsVectors } from "../../domain/vectors.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import {
  bytesBeyond,
  deleteItem,
  ITEM_COLUMNS,
  type ItemAddress,
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
import { DeclaredDimensions, deleteVectors, forgetDimensions, insertVectors, lockLabel } from "./item-vectors.js";
import { nearestItems, searchNearest } from "./nearest-items.js";
import type { Database } from "./store.js";
import {
  assertNoVectors,
  lockingWithoutVectors,
  lookForVectors,
  requireVectors,
  transactItems,
} from "./vector-support.js";

export function itemVerbs(database: () => Database): ItemDriver {
  return {
    async runItemSteps(call, steps) {
      const db = database();
      if (steps.some(needsVectors)) await requireVectors(db, call);
      return steps.some(isWrite) ? writeSteps(db, call, steps) : readSteps(db, call, steps);
    },

    async searchItems(call, listing) {
      const db = database();
      return toItemRows(await db.readInOrder<ItemRow>(call, selectItems(call.tenant, listing, db.now())), listing);
    },

    async searchNearest(call, listing) {
      const db = database();
      await requireVectors(db, call);
      return searchNearest(db, call, listing);
    },

    async countItems(call, count) {
      const db = database();
      const [row] = await db.read<{ count: number }>(call, selectCount(call.tenant, count, db.now()));
      return row?.count ?? 0;
    },

    async listNamespaces(call, listing) {
      const db = database();
      const statement = selectNamespaces(call.tenant, listing, db.now());
      return toNamespaceRows(await db.readInOrder<{ labels: string }>(call, statement), listing);
    },

    async deleteItems(call, prefix) {
      const db = database();
      const { tenant } = call;
      const [label] = prefix;
      const statement = deleteBelow(tenant, prefix, db.now());
      // A dimension goes with all items of its label; another process may have brought it since the storage was opened.
      const forgets = prefix.length === 1 && (db.vectors.kind === "ready" || (await lookForVectors(db, call)));
      if (label === undefined || !forgets) {
        const [row] = await db.write<{ count: number }>(call, statement);
        return row?.count ?? 0;
      }
      return db.transact(call, async (tx) => {
        tx.run(lockLabel(tenant, label));
        const deleted = tx.get<{ count: number }>(statement);
        tx.run(forgetDimensions(tenant, label));
        return (await deleted)?.count ?? 0;
      });
    },
  };
}

/** Vectors go with their items. */
function deleteBelow(tenant: string, prefix: readonly string[], now: number): Sql {
  return sql`WITH deleted AS (
      DELETE FROM @items WHERE tenant = ${tenant} AND ${placesWithin(namespaceBytes(prefix), bytesBeyond(prefix))}
      RETURNING expires_at)
    SELECT count(*) FILTER (WHERE expires_at IS NULL OR expires_at > ${now}) AS count FROM deleted`;
}

function needsVectors(step: ItemStep): boolean {
  return step.kind === "nearest" || bringsVectors(step);
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
    const { tenant } = call;
    const found = await findItems(tx, tenant, steps.filter(isNamed));
    const items = new Map(found.map((item) => [nameOf(item), item]));
    return Promise.all(steps.map((step) => runStep({ tx, tenant, now, items, dimensions: null }, step)));
  });
}

/** What the steps of a transaction share. */
interface Steps {
  readonly tx: Transaction;
  readonly tenant: string;
  readonly now: number;
  /** Those that are stored, also expired ones; a step changes it as it changes the store. */
  readonly items: Map<string, StoredItem>;
  /** `null` where no vectors are kept, or nothing is written. */
  readonly dimensions: DeclaredDimensions | null;
}

/** All items that the steps name are locked first; then the steps go on in memory, and their writes need no answer. */
function writeSteps(db: Database, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  const roots = steps.flatMap((step) => (bringsVectors(step) ? [rootOf(step)] : []));
  return transactItems(db, call, async (tx, keepsVectors) => {
    const now = db.now();
    const { tenant } = call;
    const [dimensions, found] = await Promise.all([
      keepsVectors ? DeclaredDimensions.of(tx, tenant, roots) : null,
      lockItems(tx, tenant, steps.filter(isNamed), keepsVectors ? null : db),
    ]);
    const items = new Map(found.map((item) => [nameOf(item), item]));
    const results: ItemStepResult[] = [];
    const updated = new UpdatedValues();
    for (const step of steps) {
      const result = await runStep({ tx, tenant, now, items, dimensions }, step);
      if (result.kind === "update") updated.add(result.item);
      results.push(result);
    }
    // Each batch that puts what will expire takes two that have expired with it: they never become many.
    if (steps.some((step) => (step.kind === "put" || step.kind === "update") && step.ttlMs !== null))
      tx.run(sweepExpiredItems(tenant, now, 2));
    return results;
  });
}

function nameOf(address: { readonly namespace: readonly string[]; readonly key: string }): string {
  return itemId(address).toString("hex");
}

async function findItems(tx: Transaction, tenant: string, addresses: readonly ItemAddress[]): Promise<StoredItem[]> {
  if (addresses.length === 0) return [];
  return (await tx.query<ItemRow>(selectNamed(tenant, addresses))).map(toItem);
}

/** @param withoutVectors the database, for a transaction that knows of no vectors; `null` where they are kept */
async function lockItems(
  tx: Transaction,
  tenant: string,
  addresses: readonly ItemAddress[],
  withoutVectors: Database | null,
): Promise<StoredItem[]> {
  const locking = sql`${selectNamed(tenant, addresses)} FOR NO KEY UPDATE`;
  if (withoutVectors === null) return (await tx.query<ItemRow>(locking)).map(toItem);
  const rows = await tx.query<LockedRow>(lockingWithoutVectors(withoutVectors, locking));
  assertNoVectors(rows);
  return rows.filter((row): row is LockedRow & ItemRow => row.key !== null).map(toItem);
}

/** Without an item there is one row all the same. */
type LockedRow = { readonly hasVectors: boolean } & (ItemRow | { readonly key: null });

function selectNamed(tenant: string, addresses: readonly ItemAddress[]): Sql {
  const ids = [...new Set(addresses.map(nameOf))];
  const [only] = ids;
  // With a list the server may look at all items of the tenant, before it has counted them.
  const named =
    only !== undefined && ids.length === 1
      ? sql`item_id = ${Buffer.from(only, "hex")}`
      : sql`item_id = ANY(ARRAY(SELECT decode(id, 'hex') FROM unnest(${ids}::text[]) id))`;
  return sql`SELECT ${ITEM_COLUMNS} FROM @items WHERE tenant = ${tenant} AND ${named} ORDER BY item_id`;
}

async function runStep(steps: Steps, step: ItemStep): Promise<ItemStepResult> {
  const { tx, tenant, now, items } = steps;
  switch (step.kind) {
    case "put":
    case "update": {
      await declareVectors(steps, step);
      const name = nameOf(step);
      const stored = items.get(name);
      const item = step.kind === "put" ? putStored(stored, step, now) : updateStored(stored, step, now);
      // One that came in between is not overwritten unseen: the transaction is done again.
      tx.run(stored === undefined ? insertItem(tenant, item) : updateItem(tenant, item));
      putVectors(steps, step, stored);
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
      const rows = await tx.queryInOrder<ItemRow>(selectItems(tenant, step.listing, now));
      return { kind: "search", rows: toItemRows(rows, step.listing) };
    }
    case "count": {
      const row = await tx.get<{ count: number }>(selectCount(tenant, step.count, now));
      return { kind: "count", count: row?.count ?? 0 };
    }
    case "nearest":
      return { kind: "nearest", rows: await nearestItems((each) => tx.query(each), tenant, step.listing, now) };
    case "namespaces": {
      const rows = await tx.queryInOrder<{ labels: string }>(selectNamespaces(tenant, step.listing, now));
      return { kind: "namespaces", rows: toNamespaceRows(rows, step.listing) };
    }
  }
}

type PutOrUpdate = Extract<ItemStep, { readonly kind: "put" | "update" }>;

/** @throws InvalidArgumentError for vectors that do not fit those below their first label (M4) */
async function declareVectors({ dimensions }: Steps, step: PutOrUpdate): Promise<void> {
  const { vectors } = step;
  if (vectors !== null && vectors !== "keep") await dimensions?.declare(rootOf(step), vectors.dimensions);
}

/** The vectors of an item change with its value; an expired one leaves none to the one that begins in its place. */
function putVectors({ tx, tenant, now, dimensions }: Steps, step: PutOrUpdate, stored: StoredItem | undefined): void {
  if (dimensions === null) return;
  const { vectors } = step;
  const stays = vectors === "keep" && stored !== undefined && !isItemExpired(stored, now);
  if (stored !== undefined && !stays) tx.run(deleteVectors(tenant, step));
  if (vectors !== null && vectors !== "keep") insertVectors(tx, tenant, { ...step, vectors });
}
