/** The values of items on their way in and out: large ones are encoded and decoded in steps. */
import type { Item } from "../contract/item-storage.js";
import type { JsonObject } from "../contract/json.js";
import type { Call } from "./driver/call.js";
import type { ScoredItem } from "./driver/items.js";
import type { StoredItem } from "./driver/stored.js";
import type { Intake } from "./intake.js";
import type { ParsedStep, ParsedUpdate } from "./item-arguments.js";
import { MAX_ITEM_BYTES, toItem, toItemWith } from "./items.js";
import { decodeRow, type RowDecoder, textOf } from "./large-values.js";
import { decodeMetadata, decodeMetadataInSteps, isLongMetadata, MetadataSnapshot, takeObject } from "./metadata.js";
import { EACH_STEP, Slices } from "./slices.js";

/** The value of an item as it is at this moment. @throws InvalidArgumentError */
export function takeItemValue(value: unknown, name: string, intake?: Intake): string | MetadataSnapshot {
  return takeObject(value, name, MAX_ITEM_BYTES, intake);
}

/** What is merged into an item as it is at this moment. @throws InvalidArgumentError */
export function takeMerge(value: unknown, name: string, intake?: Intake): JsonObject | MetadataSnapshot {
  const taken = takeItemValue(value, name, intake);
  return typeof taken === "string" ? (decodeMetadata(taken) as JsonObject) : taken;
}

/** A step whose value may still have to be encoded. */
export type TakenStep = ParsedStep<string | MetadataSnapshot, JsonObject | MetadataSnapshot>;

/** Hands on the steps with the texts of their values. */
export function withItemTexts<T>(
  call: Call,
  steps: readonly TakenStep[],
  use: (steps: readonly ParsedStep[]) => Promise<T>,
): Promise<T> {
  return steps.every(isReady) ? use(steps) : encodeAll(call, steps).then(use);
}

function isReady(step: TakenStep): step is ParsedStep {
  if (step.kind === "put") return typeof step.value === "string";
  return step.kind !== "update" || !(step.merge instanceof MetadataSnapshot);
}

async function encodeAll(call: Call, steps: readonly TakenStep[]): Promise<ParsedStep[]> {
  const slices = new Slices(call, EACH_STEP);
  const all: ParsedStep[] = [];
  for (const step of steps) {
    if (isReady(step)) all.push(step);
    else if (step.kind === "put") all.push({ ...step, value: await textOf(slices, step.value as MetadataSnapshot) });
    else {
      const text = await textOf(slices, (step as { readonly merge: MetadataSnapshot }).merge);
      const merge = (await slices.run(decodeMetadataInSteps(text))) as JsonObject;
      all.push({ ...(step as ParsedUpdate), merge, mergesMuch: true });
    }
    if (slices.over()) await slices.next();
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
