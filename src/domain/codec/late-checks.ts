/**
 * What is left to do with the copy of a large value before its text is made, in steps: to look for what no copy shows and no program
 * stores often, and to wrap the objects that look like our own nodes. Asking takes more time than copying.
 */
import { types } from "node:util";
import { SerializationError } from "../../contract/errors.js";
import { type Json, TAG_KEY } from "./format.js";
import { type PathStep, renderPath } from "./path.js";
import { keyStep, memberStep, valueStep } from "./write.js";

/** How many are asked between two yields: some tenths of a millisecond. */
const ASKED_AT_ONCE = 1_000;

export const FURTHER_PROPERTIES = "an array with further properties";

/** Whether a dense array has more than its elements: properties such as `index` of a regular expression's match, or symbols. */
export function hasFurther(array: readonly unknown[]): boolean {
  // Values and not keys: a key is made a string of for each element.
  return Object.values(array).length > array.length || Object.getOwnPropertySymbols(array).length !== 0;
}

export class LateChecks {
  #value: unknown;
  readonly #wrapped = new Set<object>();

  /** @param value what was copied; it may change meanwhile */
  constructor(value: unknown) {
    this.#value = value;
  }

  /** A copy with the key of our tags: inside a document it is wrapped. */
  addWrapped(copy: object): void {
    this.#wrapped.add(copy);
  }

  /**
   * Symbols that count are still in the copy of an object. Hidden ones, and those of an array, are looked for in the value, in what still
   * stands where it was: to note each array and object for this would take as long as to copy it.
   * @throws SerializationError with the path of what cannot be kept
   */
  *run(tree: Json, inDocument: boolean): Generator<void, void, void> {
    const pairs = new Pairs(this.#value, tree);
    this.#value = null;
    for (let asked = 1; pairs.next(); asked++) {
      const { original, copy } = pairs;
      if (Array.isArray(original) && hasFurther(original)) this.#refuse(FURTHER_PROPERTIES, tree, copy);
      if (!Array.isArray(copy) && (hasSymbols(copy) || (isPlain(original) && hasSymbols(original)))) {
        this.#refuse("an object with symbol keys", tree, copy);
      }
      if (asked % ASKED_AT_ONCE === 0) yield;
    }
    if (!inDocument) return;
    let wrapped = 0;
    for (const object of this.#wrapped) {
      wrap(object as Record<string, unknown>);
      wrapped += 1;
      if (wrapped % ASKED_AT_ONCE === 0) yield;
    }
  }

  #refuse(what: string, tree: Json, copy: object): never {
    throw new SerializationError(renderPath(this.#pathTo(copy, tree) ?? []), `${what} cannot be stored`);
  }

  #pathTo(wanted: object, node: unknown): PathStep[] | undefined {
    if (node === wanted) return [];
    if (typeof node !== "object" || node === null) return undefined;
    const { kind, payload } = this.#wrapped.has(node) ? PLAIN : kindOf(node);
    if (kind === "null-prototype") return this.#pathTo(wanted, payload);
    if (kind === "Map") {
      for (const [i, [key, value]] of (payload as [unknown, unknown][]).entries()) {
        const path = this.#pathBehind(keyStep(i), wanted, key) ?? this.#pathBehind(valueStep(key, i), wanted, value);
        if (path !== undefined) return path;
      }
      return undefined;
    }
    const holder = kind === "Set" ? (payload as object) : node;
    for (const key of Object.keys(holder)) {
      const step = kind === "Set" ? memberStep(Number(key)) : Array.isArray(holder) ? Number(key) : key;
      const path = this.#pathBehind(step, wanted, holder[key as keyof typeof holder]);
      if (path !== undefined) return path;
    }
    return undefined;
  }

  #pathBehind(step: PathStep, wanted: object, node: unknown): PathStep[] | undefined {
    const rest = this.#pathTo(wanted, node);
    return rest === undefined ? undefined : [step, ...rest];
  }
}

/** The arrays and objects of a copy, each with what stands in the same place of the value. */
class Pairs {
  original: unknown = undefined;
  copy: object = {};
  readonly #originals: unknown[] = [];
  readonly #copies: object[] = [];

  constructor(original: unknown, copy: Json) {
    this.#add(original, copy);
  }

  /** Goes on to the next pair; `false` when there is none. */
  next(): boolean {
    const copy = this.#copies.pop();
    if (copy === undefined) return false;
    this.copy = copy;
    this.original = this.#originals.pop();
    this.#addParts(this.original, copy);
    return true;
  }

  #addParts(original: unknown, copy: object): void {
    const { kind, payload } = kindOf(copy);
    if (kind === "null-prototype") this.#add(original, payload);
    else if (kind === "Map" && types.isMap(original)) this.#addEntries(original, payload as [unknown, unknown][]);
    else if (kind === "Set" && types.isSet(original)) this.#addAll([...original], payload as unknown[]);
    else if (Array.isArray(copy)) this.#addAll(Array.isArray(original) ? original : [], copy);
    else this.#addProperties(isPlain(original) ? original : {}, copy as Record<string, unknown>);
  }

  #addEntries(map: Map<unknown, unknown>, entries: readonly [unknown, unknown][]): void {
    let i = 0;
    for (const [key, value] of map) {
      const entry = entries[i];
      if (entry === undefined) return;
      this.#add(key, entry[0]);
      this.#add(value, entry[1]);
      i += 1;
    }
  }

  #addAll(originals: readonly unknown[], copies: readonly unknown[]): void {
    for (let i = 0; i < copies.length; i++) {
      if (typeof copies[i] === "object") this.#add(originals[i], copies[i]);
    }
  }

  #addProperties(originals: Readonly<Record<string, unknown>>, copies: Readonly<Record<string, unknown>>): void {
    for (const key in copies) {
      if (typeof copies[key] === "object") this.#add(originals[key], copies[key]);
    }
  }

  #add(original: unknown, copy: unknown): void {
    if (typeof copy !== "object" || copy === null) return;
    this.#originals.push(original);
    this.#copies.push(copy);
  }
}

const PLAIN = { kind: "plain", payload: null } as const;

/** What a node of a copy may be: a user's object can look like any of them. */
function kindOf(node: object): { readonly kind: string; readonly payload: unknown } {
  const { [TAG_KEY]: tag, value } = node as { readonly [TAG_KEY]?: unknown; readonly value?: unknown };
  if (tag === undefined || typeof value !== "object" || value === null) return PLAIN;
  if (tag === "null-prototype") return { kind: tag, payload: value };
  return (tag === "Map" || tag === "Set") && Array.isArray(value) ? { kind: tag, payload: value } : PLAIN;
}

/** Of the kinds whose properties are their parts. */
function isPlain(original: unknown): original is Readonly<Record<string, unknown>> {
  if (typeof original !== "object" || original === null) return false;
  const prototype: unknown = Object.getPrototypeOf(original);
  return prototype === Object.prototype || prototype === null;
}

function hasSymbols(object: object): boolean {
  return Object.getOwnPropertySymbols(object).length !== 0;
}

/** Puts an object with the key of our tags inside of a node, in its place. */
function wrap(object: Record<string, unknown>): void {
  const value = { ...object };
  for (const key of Object.keys(object)) delete object[key];
  object[TAG_KEY] = "object";
  object.value = value;
}
