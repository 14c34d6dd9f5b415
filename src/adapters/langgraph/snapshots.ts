/**
 * What a value was, to tell at any time whether it still is, and to make it anew without reading any text. Comparing costs a
 * fraction of encoding, and nothing is taken on trust: a message that the application has changed is another value.
 */
import {
  type Fields,
  isDerivedField,
  type MessageConstructor,
  makeMessage,
  messageClassName,
  messageConstructor,
} from "./message-classes.js";

/** What has a snapshot: scalars, plain objects and arrays, and messages of the table, of a size that an element of a state has. */
export type Snapshot = string | number | boolean | bigint | null | undefined | ListShape | ObjectShape | MessageShape;

/** Objects and arrays in a value with a snapshot, at the most: more are shared references without end, or a cycle. */
const MAX_PARTS = 10_000;

/** Stands for no snapshot. */
export const NONE: unique symbol = Symbol("no snapshot");

/** The snapshot, or `NONE` for a value that cannot be told in full, or in which an object is `isCustom`: of the application's codecs. */
export function snapshotOf(value: unknown, isCustom: (value: object) => boolean): Snapshot | typeof NONE {
  return take(value, { left: MAX_PARTS, isCustom });
}

/** Whether a value is what it was: the same properties in the same order, with the same values all the way down. */
export function isUnchanged(value: unknown, snapshot: Snapshot): boolean {
  const symbols: Symbols = {};
  return isUnchangedBut(symbols, value, snapshot) && !hasSymbols(symbols);
}

/**
 * Where objects that were empty leave their enumerable symbols. Most messages have four of them, and asking each for its symbols takes
 * longer than all else that is compared: many values are compared first, and this one object is asked for them.
 */
export type Symbols = Record<symbol, unknown>;

export function hasSymbols(symbols: Symbols): boolean {
  return Object.getOwnPropertySymbols(symbols).length > 0;
}

/** As `isUnchanged`, unless there is something in `symbols` afterwards. */
export function isUnchangedBut(symbols: Symbols, value: unknown, snapshot: Snapshot): boolean {
  if (typeof snapshot === "string") return value === snapshot;
  if (typeof snapshot !== "object" || snapshot === null) return Object.is(value, snapshot);
  return typeof value === "object" && value !== null && snapshot.matches(value, symbols);
}

/** A fresh value. */
export function revived(snapshot: Snapshot): unknown {
  return typeof snapshot === "object" && snapshot !== null ? snapshot.revive() : snapshot;
}

interface Budget {
  left: number;
  readonly isCustom: (value: object) => boolean;
}

function take(value: unknown, budget: Budget): Snapshot | typeof NONE {
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" || typeof value === "symbol" ? NONE : (value as Snapshot);
  }
  budget.left -= 1;
  if (budget.left < 0) return NONE;
  if (Array.isArray(value)) return takeList(value, budget);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return takeObject(value as Fields, budget);
  const className = budget.isCustom(value) ? undefined : messageClassName(value);
  return className === undefined ? NONE : takeMessage(value, prototype, className, budget);
}

function takeList(list: readonly unknown[], budget: Budget): ListShape | typeof NONE {
  if (!isPlainList(list)) return NONE;
  const items: Snapshot[] = [];
  for (const item of list) {
    const taken = take(item, budget);
    if (taken === NONE) return NONE;
    items.push(taken);
  }
  return items.length === 0 ? EMPTY_LIST : new ListShape(items);
}

function takeObject(object: Fields, budget: Budget): ObjectShape | typeof NONE {
  if (Object.getOwnPropertySymbols(object).length !== 0 || Object.hasOwn(object, "__proto__")) return NONE;
  const keys = Object.keys(object);
  const values: Snapshot[] = [];
  for (const key of keys) {
    const taken = take(object[key], budget);
    if (taken === NONE) return NONE;
    values.push(taken);
  }
  return keys.length === 0 ? EMPTY_OBJECT : new ObjectShape(keys, values);
}

function takeMessage(
  message: object,
  prototype: unknown,
  className: string,
  budget: Budget,
): MessageShape | typeof NONE {
  const keys = Object.keys(message);
  if (keys.includes("__proto__")) return NONE;
  const values: Snapshot[] = [];
  for (const key of keys) {
    const taken = isDerivedField(key) ? undefined : take((message as Fields)[key], budget);
    if (taken === NONE) return NONE;
    values.push(taken);
  }
  return new MessageShape(prototype, className, keys, values);
}

/** Whether an array holds its elements and nothing else. */
export function isPlainList(list: readonly unknown[]): boolean {
  return (
    Object.getPrototypeOf(list) === Array.prototype &&
    Object.getOwnPropertySymbols(list).length === 0 &&
    Object.keys(list).length === list.length
  );
}

class ListShape {
  readonly #items: readonly Snapshot[];

  constructor(items: readonly Snapshot[]) {
    this.#items = items;
  }

  matches(value: object, symbols: Symbols): boolean {
    const items = this.#items;
    if (!Array.isArray(value) || value.length !== items.length) return false;
    if (items.length === 0) return Object.getPrototypeOf(value) === Array.prototype && isEmptyBut(symbols, value);
    if (!isPlainList(value)) return false;
    for (let i = 0; i < items.length; i++) if (!isUnchangedBut(symbols, value[i], items[i])) return false;
    return true;
  }

  revive(): unknown[] {
    return this.#items.map(revived);
  }
}

class ObjectShape {
  readonly #keys: readonly string[];
  readonly #values: readonly Snapshot[];

  constructor(keys: readonly string[], values: readonly Snapshot[]) {
    this.#keys = fieldNames(keys).names;
    this.#values = values;
  }

  matches(value: object, symbols: Symbols): boolean {
    if (Object.getPrototypeOf(value) !== Object.prototype) return false;
    const keys = this.#keys;
    if (keys.length === 0) return isEmptyBut(symbols, value);
    let i = 0;
    for (const key in value) {
      if (key !== keys[i] || !isUnchangedBut(symbols, (value as Fields)[key], this.#values[i])) return false;
      i += 1;
    }
    return i === keys.length && Object.getOwnPropertySymbols(value).length === 0;
  }

  revive(): Fields {
    const fresh: Fields = {};
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i++) fresh[keys[i] as string] = revived(this.#values[i]);
    return fresh;
  }
}

/** Names of fields in their order. Most objects have one of few lists of them, and share it. */
interface FieldNames {
  readonly names: readonly string[];
  /** Which of them the constructor of a message sets by itself. */
  readonly derived: readonly boolean[];
}

const MAX_SHARED = 1_000;
const shared = new Map<string, FieldNames>();

function fieldNames(names: readonly string[]): FieldNames {
  const key = JSON.stringify(names);
  const known = shared.get(key);
  if (known !== undefined) return known;
  const made = { names, derived: names.map(isDerivedField) };
  if (shared.size < MAX_SHARED) shared.set(key, made);
  return made;
}

class MessageShape {
  readonly #prototype: unknown;
  readonly #className: string;
  readonly #fields: FieldNames;
  readonly #values: readonly Snapshot[];
  /** What the constructor of the class is given to make the message at once; `null` where it would make another one. */
  #template: MessageTemplate | null | undefined;

  constructor(prototype: unknown, className: string, keys: readonly string[], values: readonly Snapshot[]) {
    this.#prototype = prototype;
    this.#className = className;
    this.#fields = fieldNames(keys);
    this.#values = values;
  }

  /** What the constructor sets by itself is not compared: it is not stored either. */
  matches(value: object, symbols: Symbols): boolean {
    if (Object.getPrototypeOf(value) !== this.#prototype) return false;
    const { names, derived } = this.#fields;
    const values = this.#values;
    let i = 0;
    for (const key in value) {
      if (key !== names[i]) return false;
      if (derived[i] !== true && !isUnchangedBut(symbols, (value as Fields)[key], values[i])) return false;
      i += 1;
    }
    return i === names.length;
  }

  revive(): object {
    if (this.#template === undefined) return this.#firstRevived();
    return this.#template === null ? this.#thoroughlyRevived() : this.#template.make();
  }

  /** A constructor may derive fields from others, depending on their values: whether it does with these is tried once. */
  #firstRevived(): object {
    const message = this.#thoroughlyRevived();
    const template = new MessageTemplate(this.#className, this.#fields.names, this.#fields.derived, this.#values);
    this.#template = isSame(template.make(), message) ? template : null;
    return message;
  }

  #thoroughlyRevived(): object {
    const fields: Fields = {};
    const { names } = this.#fields;
    for (let i = 0; i < names.length; i++) {
      const value = this.#values[i];
      if (value !== undefined) fields[names[i] as string] = revived(value);
    }
    const message = makeMessage(this.#className, fields);
    if (message === undefined) throw new TypeError(`the table has no class ${this.#className}`);
    return message;
  }
}

/** Makes messages by their constructor alone: copying an object is quicker than putting it together field by field. */
class MessageTemplate {
  readonly #Message: MessageConstructor;
  /** All fields; those that are made anew for each message are `null` here. */
  readonly #fields: Fields;
  readonly #madeNames: readonly string[];
  readonly #made: readonly Snapshot[];

  constructor(className: string, names: readonly string[], derived: readonly boolean[], values: readonly Snapshot[]) {
    const fields: Fields = { content: null };
    const madeNames: string[] = [];
    const made: Snapshot[] = [];
    for (const [i, name] of names.entries()) {
      const value = values[i];
      if (value === undefined || derived[i] === true) continue;
      const isMade = typeof value === "object" && value !== null;
      fields[name] = isMade ? null : value;
      if (!isMade) continue;
      madeNames.push(name);
      made.push(value);
    }
    this.#Message = messageConstructor(className);
    this.#fields = fields;
    this.#madeNames = fieldNames(madeNames).names;
    this.#made = made;
  }

  make(): object {
    const fields: Fields = { ...this.#fields };
    const names = this.#madeNames;
    for (let i = 0; i < names.length; i++) fields[names[i] as string] = revived(this.#made[i]);
    return new this.#Message(fields as never);
  }
}

/** Whether two values that were made of the same snapshot are the same all the way down. */
function isSame(value: unknown, other: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(value, other);
  if (typeof other !== "object" || other === null) return false;
  const [keys, otherKeys] = [Object.keys(value), Object.keys(other)];
  return (
    Object.getPrototypeOf(value) === Object.getPrototypeOf(other) &&
    keys.length === otherKeys.length &&
    keys.every((key, i) => key === otherKeys[i] && isSame((value as Fields)[key], (other as Fields)[key]))
  );
}

/** Whether an object has no enumerable properties but those that go into `symbols`. */
function isEmptyBut(symbols: Symbols, value: object): boolean {
  for (const _key in value) return false;
  Object.assign(symbols, value);
  return true;
}

const EMPTY_OBJECT = new ObjectShape([], []);
const EMPTY_LIST = new ListShape([]);
