/** Values of items as they were read, for changes that are computed here and stored by compare-and-set. */
import type { CallOptions } from "../../contract/call.js";
import { ConflictError } from "../../contract/errors.js";
import type { Item, ItemChange, ItemOperation, UpdateItemOptions } from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { StoredItem } from "../../domain/driver/stored.js";
import type { ParsedStep } from "../../domain/item-arguments.js";
import { UpdatedValues, updateStored } from "../../domain/item-changes.js";
import { itemPlace } from "./places.js";
import { SEALED, type TenantSeals } from "./tenant-seals.js";

type UpdateStep = Extract<ParsedStep, { readonly kind: "update" }>;

/** An item that is there. */
interface KnownItem {
  readonly stored: StoredItem;
  /** Keys that stand in the stored value beside the sealed one: those of a value that was not encrypted. */
  readonly plainKeys: readonly string[];
}

/** A change that takes the place of the whole value. */
export interface SealedChange {
  readonly change: ItemChange;
  readonly expectedVersion: number;
}

/** A batch with sealed values; with a `refusal` it ends where that arose, and the store refuses it too. */
export interface SealedOperations {
  readonly operations: readonly ItemOperation[];
  readonly refusal?: ConflictError;
}

/** The value of an item as it is stored. */
export function sealedItem(
  seals: TenantSeals,
  { namespace, key }: { readonly namespace: readonly string[]; readonly key: string },
  text: string,
): JsonObject {
  return { [SEALED]: seals.sealText(text, itemPlace(namespace, key)) };
}

export class ItemSnapshot {
  readonly #items: Map<string, KnownItem>;
  readonly #updated = new UpdatedValues();

  private constructor(items: Map<string, KnownItem>) {
    this.#items = items;
  }

  /** Reads the items that these steps change, all at one moment. */
  static async read(
    inner: StorageBackend,
    seals: TenantSeals,
    steps: readonly UpdateStep[],
    options: CallOptions,
  ): Promise<ItemSnapshot> {
    const items = new Map<string, KnownItem>();
    const gets = steps.map(({ namespace, key }): ItemOperation => ({ get: { namespace, key } }));
    const found = gets.length === 0 ? [] : await inner.batchItems(gets, options);
    for (const item of found as (Item | undefined)[])
      if (item !== undefined) items.set(nameOf(item), await known(seals, item));
    return new ItemSnapshot(items);
  }

  /** Whether the items stand at the same versions. */
  isSame(other: ItemSnapshot): boolean {
    if (other.#items.size !== this.#items.size) return false;
    return [...this.#items].every(([name, { stored }]) => other.#items.get(name)?.stored.version === stored.version);
  }

  /** A change as the store carries it out. @throws ConflictError as `updateItem` does */
  change(seals: TenantSeals, step: UpdateStep): SealedChange {
    return new ItemSnapshot(new Map(this.#items)).#changed(seals, step);
  }

  #changed(seals: TenantSeals, step: UpdateStep): SealedChange {
    const before = this.#items.get(nameOf(step));
    const after = updateStored(before?.stored, step, 0);
    this.#updated.add(after);
    this.#items.set(nameOf(step), { stored: { ...after, ttlMs: null, expiresAt: null }, plainKeys: [] });
    return {
      change: { merge: sealedItem(seals, step, after.value), unset: before?.plainKeys ?? [] },
      expectedVersion: before?.stored.version ?? 0,
    };
  }

  /** Operations as the store carries them out; each sees what the earlier ones do. */
  operations(seals: TenantSeals, given: readonly ItemOperation[], steps: readonly ParsedStep[]): SealedOperations {
    const seen = new ItemSnapshot(new Map(this.#items));
    const operations: ItemOperation[] = [];
    for (const [i, step] of steps.entries()) {
      try {
        operations.push(seen.#operation(seals, given[i] as ItemOperation, step));
      } catch (error) {
        if (!(error instanceof ConflictError) || step.kind !== "update") throw error;
        const operation = given[i] as Extract<ItemOperation, { readonly update: unknown }>;
        return { operations: [...operations, { put: refusedPut(step, operation.update) }], refusal: error };
      }
    }
    return { operations };
  }

  #operation(seals: TenantSeals, operation: ItemOperation, step: ParsedStep): ItemOperation {
    if (step.kind === "put" && "put" in operation && operation.put !== undefined) {
      this.#put(step);
      return { put: { ...operation.put, value: sealedItem(seals, step, step.value) } };
    }
    if (step.kind === "update" && "update" in operation && operation.update !== undefined) {
      const { change, expectedVersion } = this.#changed(seals, step);
      const { increment: _increment, ifPresent: _ifPresent, ...rest } = operation.update;
      return { update: { ...rest, ...change, expectedVersion } };
    }
    if (step.kind === "delete") this.#items.delete(nameOf(step));
    return operation;
  }

  #put(step: Extract<ParsedStep, { readonly kind: "put" }>): void {
    const before = this.#items.get(nameOf(step));
    const { namespace, key, value } = step;
    const version = (before?.stored.version ?? 0) + 1;
    const stored = { namespace, key, value, version, createdAt: 0, updatedAt: 0, ttlMs: null, expiresAt: null };
    this.#items.set(nameOf(step), { stored, plainKeys: [] });
  }
}

/**
 * What the store always refuses, in the place of a change that is refused here: its vectors, and earlier operations, may be refused
 * before it, which the store alone knows.
 */
export function refusedPut(
  { namespace, key }: Pick<UpdateStep, "namespace" | "key">,
  { vectors }: Pick<UpdateItemOptions, "vectors">,
): Extract<ItemOperation, { readonly put: unknown }>["put"] {
  return { namespace, key, value: {}, expectedVersion: Number.MAX_SAFE_INTEGER, vectors };
}

async function known(seals: TenantSeals, item: Item): Promise<KnownItem> {
  const { namespace, key, value, version } = item;
  const text = await seals.openText(value[SEALED], itemPlace(namespace, key));
  return {
    stored: {
      namespace,
      key,
      value: text ?? JSON.stringify(value),
      version,
      createdAt: 0,
      updatedAt: 0,
      ttlMs: null,
      expiresAt: null,
    },
    plainKeys: Object.keys(value).filter((name) => name !== SEALED),
  };
}

function nameOf({ namespace, key }: { readonly namespace: readonly string[]; readonly key: string }): string {
  return JSON.stringify([namespace, key]);
}
