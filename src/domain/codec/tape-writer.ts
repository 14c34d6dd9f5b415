/**
 * Writes a large value on a tape: all that the caller must wait for. Strings are taken as they are and bytes are copied whole; only arrays
 * and objects are gone through one by one.
 */
import { SerializationError } from "../../contract/errors.js";
import { isArrayPrototype, isPlainPrototype, ownPrototype } from "../realms.js";
import { spendTurn } from "../turns.js";
import type { References, Words } from "./chunks.js";
import {
  CONTAINERS,
  DEFAULT_MAX_BYTES,
  hasProperties,
  isDocument,
  type Json,
  MAX_CONTAINERS,
  MAX_MEMBERS,
  OWN_KEYS,
  SET_MEMBER,
  TAG_KEY,
} from "./format.js";
import { leafByPrototype } from "./leaves.js";
import { type PathStep, renderPath } from "./path.js";
import { jsonIsOverridden } from "./plain.js";
import type { Shape, Shapes } from "./shapes.js";
import { LEAST_BEYOND, Tape, WORD, wordOf } from "./tape.js";
import { instanceName, keyStep, memberStep, TreeWriter, tooMany, tooManyInCall, valueStep } from "./write.js";

/** What makes a value large: characters, arrays and objects, and all that stands on the tape. */
const LARGE = { characters: 1024 * 1024, containers: 10_000, words: 50_000 };

/** How much is written on the tapes of one call, as the limits count it. */
export interface Written {
  containers: number;
  members: number;
  characters: number;
  /** Those of the values, which are often alike. */
  readonly shapes?: Shapes;
}

/** How much of a value may be written. */
export interface TapeLimits {
  readonly maxDepth: number;
  /** Most characters of strings and keys. */
  readonly maxBytes: number;
  /** What is written of other values of the call: the limits hold for all of them together. It is counted on. */
  readonly written?: Written | undefined;
}

/**
 * The tape of a value, or `null` where the thorough encoder must look itself.
 * @throws SerializationError with the path of what cannot be kept, but for what `LateChecks` finds
 */
export function writeTape(value: unknown, limits: TapeLimits): Tape | null {
  return new TapeWriter(limits, false).tapeOf(value);
}

/** As `writeTape`, of plain JSON, in which objects may have no prototype and `undefined` in an object counts as absent. */
export function writePlainTape(value: unknown, limits: TapeLimits): Tape | null {
  return new TapeWriter(limits, true).tapeOf(value);
}

class TapeWriter {
  readonly #tape: Tape;
  readonly #words: Words;
  readonly #references: References<Json>;
  readonly #originals: References<object>;
  readonly #shapes: Shapes;
  readonly #writer: TreeWriter;
  readonly #maxDepth: number;
  readonly #maxBytes: number;
  /** What the limits leave for this value, before it is written. */
  readonly #room: Readonly<Written>;
  readonly #written: Written;
  /** Plain JSON alone: `undefined` is absent where it stands in an object, and refused elsewhere as all that JSON has no text for. */
  readonly #isPlainOnly: boolean;
  #containersLeft: number;
  #membersLeft: number;
  #charactersLeft: number;
  #tagged = false;
  /** Deepest level of what is being written, with the levels that a document needs around objects with the key of our tags. */
  #deepest = 0;
  /** The way to what is refused, last step first, and the arrays and objects on it. */
  readonly #steps: PathStep[] = [];
  readonly #ancestors: object[] = [];

  constructor({ maxDepth, maxBytes, written = nothingWritten() }: TapeLimits, isPlainOnly: boolean) {
    // Of plain JSON each tape has shapes of its own, of which the keys are checked.
    this.#tape = new Tape(isPlainOnly ? undefined : written.shapes);
    this.#words = this.#tape.words;
    this.#references = this.#tape.references;
    this.#originals = this.#tape.originals;
    this.#shapes = this.#tape.shapes;
    this.#writer = new TreeWriter(maxDepth, maxBytes, "bytesLater");
    this.#maxDepth = maxDepth;
    this.#maxBytes = maxBytes;
    this.#isPlainOnly = isPlainOnly;
    this.#written = written;
    this.#room = {
      containers: MAX_CONTAINERS - written.containers,
      members: MAX_MEMBERS - written.members,
      characters: Math.min(maxBytes, DEFAULT_MAX_BYTES - written.characters),
    };
    this.#containersLeft = this.#room.containers;
    this.#membersLeft = this.#room.members;
    this.#charactersLeft = this.#room.characters;
  }

  tapeOf(value: unknown): Tape | null {
    if (jsonIsOverridden() || hasInheritedKeys()) return null;
    try {
      this.#value(value, 0);
      // What no array or object behind it has met.
      this.#enter(0, 0);
    } catch (error) {
      throw this.#refusal(error);
    }
    const tape = this.#tape;
    tape.isPlain = !this.#tagged && !this.#writer.tagged;
    tape.inDocument = !this.#isPlainOnly && (!tape.isPlain || isDocument(value));
    if (tape.inDocument && this.#deepest > this.#maxDepth) return null;
    tape.isLarge =
      this.#words.length > LARGE.words ||
      this.#room.characters - this.#charactersLeft > LARGE.characters ||
      this.#room.containers - this.#containersLeft > LARGE.containers;
    if (tape.isLarge) spendTurn();
    this.#written.containers += this.#room.containers - this.#containersLeft;
    this.#written.members += this.#room.members - this.#membersLeft;
    this.#written.characters += this.#room.characters - this.#charactersLeft;
    return tape;
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#string(value);
        return;
      case "number":
        this.#number(value, depth);
        return;
      case "boolean":
        this.#words.add(value ? WORD.true : WORD.false);
        return;
      case "object":
        if (value === null) this.#words.add(WORD.null);
        else this.#object(value, depth + 1);
        return;
      case "undefined":
        this.#undefined(depth + 1);
        return;
      default:
        this.#special(value, depth);
    }
  }

  #string(text: string): void {
    this.#charactersLeft -= text.length;
    this.#words.add(WORD.string);
    this.#references.add(text);
  }

  #number(number: number, depth: number): void {
    if (!isOrdinary(number)) this.#special(number, depth);
    else if ((number | 0) === number && number < LEAST_BEYOND && number >= -LEAST_BEYOND) {
      this.#words.add(wordOf(WORD.integer, number));
    } else {
      this.#words.add(WORD.number);
      this.#words.addNumber(number);
    }
  }

  #undefined(depth: number): void {
    if (this.#isPlainOnly) refuse("undefined");
    this.#enter(depth, 1);
    this.#tagged = true;
    this.#words.add(WORD.undefined);
  }

  #enter(depth: number, containers: number): void {
    this.#containersLeft -= containers;
    if (depth > this.#deepest) this.#deepest = depth;
    if (depth > this.#maxDepth) refuse(`a value nested more than ${this.#maxDepth} levels deep`);
    if (this.#containersLeft < 0 || this.#membersLeft < 0 || this.#charactersLeft < 0) this.#refuseTooMuch();
  }

  #refuseTooMuch(): never {
    const isFirst = this.#written.containers === 0;
    if (this.#containersLeft < 0) refuse(isFirst ? tooMany.containers : tooManyInCall.containers);
    if (this.#membersLeft < 0) refuse(this.#tooManyMembers());
    const isOfCall = this.#room.characters < this.#maxBytes;
    return refuse(isOfCall ? tooManyInCall.bytes : `a value of more than ${this.#maxBytes} bytes`);
  }

  #tooManyMembers(): string {
    return this.#written.members > 0 ? tooManyInCall.members : tooMany.members;
  }

  #object(object: object, depth: number, prototype: object | null = Object.getPrototypeOf(object)): void {
    if (Array.isArray(object)) {
      if (!isArrayPrototype(prototype)) refuse(instanceName(prototype));
      this.#array(object, depth);
    } else if (prototype === Object.prototype) {
      this.#properties(object, depth, WORD.object);
    } else if (this.#isPlainOnly) {
      if (!isPlainPrototype(prototype)) refuse(instanceName(prototype));
      this.#properties(object, depth, WORD.object);
    } else if (prototype === null) {
      this.#tagged = true;
      this.#containersLeft -= CONTAINERS.withoutPrototype - 1;
      this.#properties(object, depth + 1, WORD.withoutPrototype);
    } else if (prototype === Map.prototype) this.#map(object as Map<unknown, unknown>, depth);
    else if (prototype === Set.prototype) this.#set(object as Set<unknown>, depth);
    else this.#leaf(object, prototype, depth);
  }

  #leaf(object: object, prototype: object, depth: number): void {
    const leaf = leafByPrototype(prototype);
    if (leaf === undefined) {
      const own = ownPrototype(prototype);
      if (own === prototype) this.#special(object, depth - 1);
      else this.#object(object, depth, own);
      return;
    }
    this.#enter(depth + 1, leaf.containers);
    this.#tagged = true;
    const { size } = this.#writer;
    this.#node({ [TAG_KEY]: leaf.tag, value: leaf.write(object, this.#writer) });
    this.#charactersLeft -= this.#writer.size - size;
  }

  /** What JSON has no text for, and its parts. */
  #special(value: unknown, depth: number): void {
    if (this.#isPlainOnly) {
      refuse(typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value)) : `a ${typeof value}`);
    }
    const { size, containers, members } = this.#writer;
    this.#node(this.#writer.part(value, depth));
    this.#charactersLeft -= this.#writer.size - size;
    this.#membersLeft -= this.#writer.members - members;
    this.#enter(depth, this.#writer.containers - containers);
  }

  #node(node: Json): void {
    this.#words.add(WORD.node);
    this.#references.add(node);
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    this.#membersLeft -= length;
    this.#enter(depth, 1);
    this.#originals.add(array);
    this.#words.add(wordOf(WORD.array, length));
    this.#elements(array, length, depth, array, Number);
  }

  /** @param step of an element, to say where one is that is refused */
  #elements(list: readonly unknown[], length: number, depth: number, of: object, step: (i: number) => PathStep): void {
    let i = 0;
    try {
      if (typeof list[0] === "number") i = this.#numbers(list, length);
      for (; i < length; i++) {
        const item = list[i];
        if (typeof item === "string") {
          this.#string(item);
          continue;
        }
        if (item === undefined && !Object.hasOwn(list, i)) refuse("a hole in an array");
        this.#value(item, depth);
      }
    } catch (error) {
      this.#noteStep(step(i), of);
      throw error;
    }
  }

  /** Writes the first elements, as long as they are numbers that JSON has a text for. How many they are. */
  #numbers(list: readonly unknown[], length: number): number {
    const words = this.#words;
    const at = words.length;
    words.add(0);
    // Alone in a loop V8 reads numbers as they lie in memory; between other things each would be an object of its own.
    let i = 0;
    for (; i < length; i++) {
      const item = list[i];
      if (typeof item !== "number" || !isOrdinary(item)) break;
      words.addNumber(item);
    }
    if (i === 0) words.takeBack();
    else words.set(at, wordOf(WORD.numbers, i));
    return i;
  }

  /** @param kind whether it is known to have no prototype */
  #properties(object: object, depth: number, kind: typeof WORD.object | typeof WORD.withoutPrototype): void {
    this.#enter(depth, 1);
    this.#originals.add(object);
    const words = this.#words;
    const at = words.length;
    words.add(0);
    words.add(0);
    const outerDeepest = this.#deepest;
    this.#deepest = depth;
    let shape: Shape = this.#shapes.none;
    let hasOwnKeys = false;
    let hasTag = false;
    let keys = 0;
    let last = "";
    try {
      for (const key in object) {
        last = key;
        const item: unknown = object[key as keyof typeof object];
        if (item === undefined && this.#isPlainOnly) continue;
        keys += 1;
        if (hasOwnKeys) {
          hasTag ||= key === TAG_KEY;
          this.#ownKey(key, keys);
        } else if (shape.likelyKey === key) shape = shape.likely as Shape;
        else {
          const next = this.#shapes.followed(shape, key);
          if (next === null) {
            hasOwnKeys = true;
            hasTag = key === TAG_KEY;
            this.#firstOwnKey(key, keys);
          } else shape = next;
        }
        if (typeof item === "string") this.#string(item);
        else this.#value(item, depth);
      }
    } catch (error) {
      this.#noteStep(last, object);
      throw error;
    }
    const isLikeNode = kind === WORD.object && (hasTag || shape.hasTag);
    words.set(at, wordOf(isLikeNode ? WORD.likeNode : kind, shape.number));
    words.set(at + 1, keys);
    this.#charactersLeft -= shape.characters;
    this.#membersLeft -= shape.length;
    if (isLikeNode) {
      // A node around it is needed inside a document only, so it is no reason to make one.
      this.#containersLeft -= CONTAINERS.wrapped - 1;
      this.#deepest += 1;
    }
    if (outerDeepest > this.#deepest) this.#deepest = outerDeepest;
  }

  /** The first key that the shape has not. */
  #firstOwnKey(key: string, keys: number): void {
    this.#containersLeft -= CONTAINERS.ownKeys - 1;
    this.#membersLeft -= (OWN_KEYS.each - 1) * (keys - 1);
    this.#ownKey(key, keys);
  }

  /** @param keys how many the object has up to this one */
  #ownKey(key: string, keys: number): void {
    this.#references.add(key);
    this.#charactersLeft -= key.length;
    this.#membersLeft -= keys > OWN_KEYS.many ? OWN_KEYS.further : OWN_KEYS.each;
    if (this.#membersLeft < 0) refuse(`${this.#tooManyMembers()}${KEYS_COUNT}`);
  }

  #map(map: Map<unknown, unknown>, depth: number): void {
    if (hasProperties(map)) refuse("a Map with further properties");
    this.#enter(depth + 2, CONTAINERS.map);
    this.#tagged = true;
    const words = this.#words;
    const at = words.length;
    words.add(0);
    let entries = 0;
    let step: PathStep = "";
    try {
      Map.prototype.forEach.call(map, (value, key) => {
        this.#enter(depth + 2, CONTAINERS.entry);
        this.#membersLeft -= 2;
        step = keyStep(entries);
        this.#value(key, depth + 2);
        step = valueStep(key, entries);
        this.#value(value, depth + 2);
        entries += 1;
      });
    } catch (error) {
      this.#noteStep(step, map);
      throw error;
    }
    words.set(at, wordOf(WORD.map, entries));
  }

  #set(set: Set<unknown>, depth: number): void {
    if (hasProperties(set)) refuse("a Set with further properties");
    this.#membersLeft -= SET_MEMBER * set.size;
    this.#enter(depth + 1, CONTAINERS.map);
    this.#tagged = true;
    const items: unknown[] = [...Set.prototype.values.call(set)];
    this.#words.add(wordOf(WORD.set, items.length));
    this.#elements(items, items.length, depth + 1, set, memberStep);
  }

  /** Costs nothing until something is refused: the path is noted on the way out. */
  #noteStep(step: PathStep, object: object): void {
    this.#steps.push(step);
    this.#ancestors.push(object);
  }

  #refusal(error: unknown): SerializationError {
    const path = this.#steps.reverse();
    const way = this.#ancestors.reverse();
    const again = way.findIndex((object, i) => way.indexOf(object) < i);
    if (again > 0) return new SerializationError(renderPath(path.slice(0, again)), "a cycle cannot be stored");
    if (error instanceof Refusal) return new SerializationError(renderPath(path), `${error.what} cannot be stored`);
    const inside = renderPath([...path, ...this.#writer.path]);
    if (error instanceof SerializationError) return new SerializationError(inside, reasonOf(error));
    return new SerializationError(inside, "a value that cannot be read cannot be stored", { cause: error });
  }
}

/** Who is told that there are too many of some ten thousand keys would not know why. */
const KEYS_COUNT = `, as which a key that no other object has counts for ${OWN_KEYS.each} to ${OWN_KEYS.further},`;

function nothingWritten(): Written {
  return { containers: 0, members: 0, characters: 0 };
}

/** Of the numbers that JSON has a text for. */
function isOrdinary(number: number): boolean {
  return number - number === 0 && (number !== 0 || 1 / number > 0);
}

/** What ends the writing, until its path is known. */
class Refusal {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

function refuse(what: string): never {
  throw new Refusal(what);
}

/** What a refusal says behind its path. */
function reasonOf({ message, path }: SerializationError): string {
  return message.slice(`${path}: `.length);
}

/** Whether a library has put enumerable properties on the prototype of all objects. */
function hasInheritedKeys(): boolean {
  for (const _key in Object.prototype) return true;
  return false;
}
