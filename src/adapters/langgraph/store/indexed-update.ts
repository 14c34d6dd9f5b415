/** Changing a value that is found by meaning: what is embedded depends on what it becomes, and both are written in one step. */
import type { CallOptions } from "../../../contract/call.js";
import { ConflictError, InvalidArgumentError } from "../../../contract/errors.js";
import type { Item, ItemChange, ItemStorage, UpdateItemOptions, Vector } from "../../../contract/item-storage.js";
import { copyOfChange } from "../../../domain/item-changes.js";
import { wholeNumber } from "./arguments.js";
import type { IndexedFields, TextIndex } from "./text-index.js";

export interface IndexedUpdate {
  readonly namespace: readonly string[];
  readonly key: string;
  readonly change: ItemChange;
  /** Those to embed. */
  readonly fields: IndexedFields | undefined;
  readonly options: Omit<UpdateItemOptions, "vectors">;
}

/**
 * Reads the item, embeds what it becomes, and changes that version of it alone. Where somebody was faster it begins again, with the
 * vectors of texts that have stayed.
 * @throws ConflictError, InvalidArgumentError
 */
export async function updateIndexed(
  storage: ItemStorage,
  index: TextIndex,
  { namespace, key, change, fields, options }: IndexedUpdate,
): Promise<Item> {
  const { signal, timeoutMs }: CallOptions = options;
  const place = [...namespace];
  const copy = copyOfChange(change);
  const expected = expectedVersionOf(options);
  const known = new Map<string, Vector>();
  for (;;) {
    const before = await storage.getItem(place, key, { signal, timeoutMs });
    const version = before?.version ?? 0;
    assertExpected(before, expected, options.ifPresent);
    const { texts } = index.valueOf(copy.applyTo(before?.value ?? {}), fields);
    const { documents } = await index.embed(
      texts.filter((text) => !known.has(text)),
      [],
    );
    for (const [text, vector] of documents) known.set(text, vector);
    const vectors = texts.map((text) => known.get(text)).filter((vector) => vector !== undefined);
    // Version 0 says that the item is not to be there.
    const ifPresent = version === 0 ? undefined : options.ifPresent;
    try {
      return await storage.updateItem(place, key, copy.change, {
        ...options,
        ifPresent,
        expectedVersion: version,
        vectors,
      });
    } catch (error) {
      if (!(error instanceof ConflictError) || expected !== undefined) throw error;
    }
  }
}

function expectedVersionOf({ expectedVersion, ifPresent }: IndexedUpdate["options"]): number | undefined {
  if (ifPresent !== undefined && typeof ifPresent !== "boolean") {
    throw new InvalidArgumentError("ifPresent must be true or false");
  }
  if (expectedVersion === undefined) return undefined;
  const version = wholeNumber(expectedVersion, "expectedVersion", { min: 0 });
  if (version === 0 && ifPresent === true) {
    throw new InvalidArgumentError("ifPresent contradicts an expectedVersion of 0");
  }
  return version;
}

function assertExpected(before: Item | undefined, expected: number | undefined, ifPresent: boolean | undefined): void {
  if (before === undefined && ifPresent === true) throw new ConflictError("the item is not there");
  if (expected === undefined || expected === (before?.version ?? 0)) return;
  const found = before === undefined ? "the item is not there" : `the item is at version ${before.version}`;
  throw new ConflictError(`${found}, and version ${expected} is expected`);
}
