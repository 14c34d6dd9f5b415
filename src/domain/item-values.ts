/** The values of items on their way in and out: large ones are encoded and decoded in steps. */
import type { Item } from "../contract/item-storage.js";
import type { Call } from "./driver/call.js";
import type { ScoredItem } from "./driver/items.js";
import type { StoredItem } from "./driver/stored.js";
import type { ParsedStep } from "./item-arguments.js";
import { MAX_ITEM_BYTES, toItem, toItemWith } from "./items.js";
import { decodeRow, type RowDecoder } from "./large-values.js";
import { decodeMetadataInSteps, isLongMetadata, MetadataSnapshot, takeMetadata } from "./metadata.js";
import { EACH_STEP, Slices } from "./slices.js";

/** The value of an item as it is at this moment. @throws InvalidArgumentError */
export function takeItemValue(value: unknown, name: string): string | MetadataSnapshot {
  return takeMetadata(value, name, MAX_ITEM_BYTES);
}

/** A step whose value may still have to be encoded. */
export type TakenStep = ParsedStep<string | MetadataSnapshot>;

/** Hands on the steps with the texts of their values. */
export function withItemTexts<T>(
  call: Call,
  steps: readonly TakenStep[],
  use: (steps: readonly ParsedStep[]) => Promise<T>,
): Promise<T> {
  if (!steps.some((step) => step.kind === "put" && step.value instanceof MetadataSnapshot)) {
    return use(steps as readonly ParsedStep[]);
  }
  return encodeAll(call, steps).then(use);
}

async function encodeAll(call: Call, steps: readonly TakenStep[]): Promise<ParsedStep[]> {
  const slices = new Slices(call, EACH_STEP);
  const all: ParsedStep[] = [];
  for (const step of steps) {
    if (step.kind !== "put") all.push(step);
    else if (typeof step.value === "string") all.push({ ...step, value: step.value });
    else {
      const text = await slices.run(step.value.encode());
      await slices.next();
      all.push({ ...step, value: String(text) });
      await slices.next();
    }
  }
  return all;
}

const ITEMS: RowDecoder<StoredItem, Item> = {
  isLong: ({ value }) => isLongMetadata(value),
  decode: toItem,
  *inSteps(stored) {
    return toItemWith(stored, yield* decodeMetadataInSteps(stored.value));
  },
};

/** The item as callers see it: at once, unless its value is long. */
export function presentItem(call: Call, stored: StoredItem): Item | Promise<Item> {
  return decodeRow(call, stored, ITEMS);
}

export function presentScored(call: Call, { item, score }: ScoredItem): Item | Promise<Item> {
  const shown = presentItem(call, item);
  if (score === null) return shown;
  return shown instanceof Promise ? shown.then((each) => ({ ...each, score })) : { ...shown, score };
}
