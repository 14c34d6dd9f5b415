/** Changes of an item's value by top-level keys, without reading it first (M6). */
import { Buffer } from "node:buffer";
import { ConflictError, InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import type { ItemChange } from "../contract/item-storage.js";
import type { JsonObject, JsonValue } from "../contract/json.js";
import { finiteNumber, knownFields, plainObject, storableText, string } from "./arguments.js";
import type { Json } from "./codec/format.js";
import { textInSteps } from "./codec/text-in-steps.js";
import type { ItemStep } from "./driver/items.js";
import type { StoredItem } from "./driver/stored.js";
import { Intake } from "./intake.js";
import { assertItemVersion, encodeItemValue, isItemExpired, MAX_ITEM_BYTES, putStored } from "./items.js";
import { listOf, MAX_IDENTIFIERS } from "./lists.js";
import { decodeMetadata, decodeMetadataInSteps, isLongMetadata, metadataTooLong } from "./metadata.js";
import { runAtOnce } from "./slices.js";

export const CHANGE_FIELDS = ["merge", "unset", "increment"] as const;

type UpdateStep = Extract<ItemStep, { readonly kind: "update" }>;

/** The parts of a change, with what is merged as `Merge`. */
export type ParsedChange<Merge = JsonObject> = Pick<UpdateStep, "unset" | "increment"> & { readonly merge: Merge };

/** Takes what is merged. @throws InvalidArgumentError */
export type TakeMerge<Merge> = (value: unknown, name: string, intake?: Intake) => Merge;

/** The parts of a change, each key in one of them only. @throws InvalidArgumentError */
export function parseChange<Merge>(
  change: Partial<ItemChange>,
  prefix: string,
  takeMerge: TakeMerge<Merge>,
  intake: Intake = new Intake(),
): ParsedChange<Merge> {
  const given = change.merge === undefined ? {} : change.merge;
  const merge = takeMerge(given, `${prefix}merge`, intake);
  const unset = Array.from(
    change.unset === undefined ? [] : listOf(change.unset, `${prefix}unset`, MAX_IDENTIFIERS),
    (key, i) => {
      const name = `${prefix}unset[${i}]`;
      return storableText(string(key, name), name);
    },
  );
  const increment = Object.entries(
    change.increment === undefined ? {} : plainObject(change.increment, `${prefix}increment`),
  )
    .filter(([, by]) => by !== undefined)
    .map(([key, by]) => {
      storableText(key, `a key of ${prefix}increment`);
      return [key, finiteNumber(by, `${prefix}increment.${quoteIdentifier(key)}`)] as const;
    });
  intake.addNames(unset.length + increment.length, `${prefix}change`);
  const changed = new Set<string>();
  const merged = Object.keys(given).filter((key) => given[key] !== undefined);
  for (const key of [...merged, ...unset, ...increment.map(([each]) => each)]) {
    if (changed.has(key)) {
      throw new InvalidArgumentError(`${prefix}change names the key ${quoteIdentifier(key)} twice`);
    }
    changed.add(key);
  }
  return { merge, unset, increment };
}

/** What is merged, read at once. @throws InvalidArgumentError */
export function readMerge(value: unknown, name: string): JsonObject {
  return decodeMetadata(encodeItemValue(value, name)) as JsonObject;
}

/** A change as it was when it was handed over, for those who need to know what a value becomes. */
export interface CopiedChange {
  readonly change: ItemChange;
  /**
   * A copy of a value with the change.
   * @throws ConflictError when what is to be incremented is no number; InvalidArgumentError when the value becomes too large
   */
  applyTo(value: JsonObject): JsonObject;
}

/** @throws InvalidArgumentError */
export function copyOfChange(change: ItemChange): CopiedChange {
  const parsed = parseChange(knownFields(change, "change", CHANGE_FIELDS), "", readMerge);
  const { merge, unset, increment } = parsed;
  return {
    change: { merge, unset, increment: Object.fromEntries(increment) },
    applyTo: (value) => decodeMetadata(changeValue(encodeItemValue(value), parsed)) as JsonObject,
  };
}

/** Most bytes of the values that the updates of one batch make, all of them together: 64 MiB. They are written in one step. */
export const MAX_UPDATED_BYTES: number = 64 * 1024 * 1024;

/** What the updates of one batch make, counted while it is carried out. */
export class UpdatedValues {
  #bytes = 0;

  /** @throws InvalidArgumentError when it is more than the limit */
  add({ value }: StoredItem): void {
    this.#bytes += Buffer.byteLength(value);
    if (this.#bytes <= MAX_UPDATED_BYTES) return;
    throw new InvalidArgumentError(
      `the values that the updates of one batch make may have at most ${MAX_UPDATED_BYTES} bytes together; use several calls`,
    );
  }
}

/**
 * The item after an update (M6), in steps where its value is long, or what is merged. One that is not there, or has expired, begins as `{}` unless the step
 * wants it to be there.
 * @throws ConflictError when `expectedVersion` is not the stored one, the item is missing, or its value does not allow the change
 */
export function* updatingStored(
  existing: StoredItem | undefined,
  step: UpdateStep,
  now: number,
): Generator<void, StoredItem, void> {
  const before = existing !== undefined && !isItemExpired(existing, now) ? existing : undefined;
  if (before === undefined && step.ifPresent) throw new ConflictError("the item is not there");
  const { namespace, key, expectedVersion } = step;
  const ttlMs = step.ttlMs ?? before?.ttlMs ?? null;
  assertItemVersion(before, expectedVersion);
  const text = before?.value ?? "{}";
  const isMuch = step.mergesMuch || isLongMetadata(text);
  const value = isMuch ? yield* changingValue(text, step) : changeValue(text, step);
  const item = putStored(before, { kind: "put", namespace, key, value, ttlMs, expectedVersion: null }, now);
  return step.ttlMs === null && before !== undefined ? { ...item, expiresAt: before.expiresAt } : item;
}

/** As `updatingStored`, without a pause. */
export function updateStored(existing: StoredItem | undefined, step: UpdateStep, now: number): StoredItem {
  return runAtOnce(updatingStored(existing, step, now));
}

/**
 * The value after a change, as it is stored.
 * @throws ConflictError when what is to be incremented is no number, or leaves the finite ones; InvalidArgumentError when the
 *   value becomes too large
 */
function changeValue(value: string, change: ParsedChange): string {
  return encodeItemValue(changed(decodeMetadata(value) as JsonObject, change));
}

/** As `changeValue`, in steps. What is changed is plain JSON already, and nobody else has it. */
function* changingValue(value: string, change: ParsedChange): Generator<void, string, void> {
  const after = changed((yield* decodeMetadataInSteps(value)) as JsonObject, change);
  const text = yield* textInSteps(after as Json);
  if (text.bytes > MAX_ITEM_BYTES) throw metadataTooLong("value", MAX_ITEM_BYTES);
  return String(text);
}

function changed(before: JsonObject, { merge, unset, increment }: ParsedChange): JsonObject {
  const after = new Map<string, JsonValue>(Object.entries(before));
  for (const [key, each] of Object.entries(merge)) after.set(key, each);
  for (const key of unset) after.delete(key);
  for (const [key, by] of increment) {
    const number = after.get(key) ?? (after.has(key) ? null : 0);
    if (typeof number !== "number") {
      throw new ConflictError(`the item's ${quoteIdentifier(key)} is no number that could be incremented`);
    }
    const sum = number + by;
    if (!Number.isFinite(sum)) throw new ConflictError(`the item's ${quoteIdentifier(key)} would not be finite`);
    after.set(key, sum === 0 ? 0 : sum);
  }
  return Object.fromEntries(after);
}
