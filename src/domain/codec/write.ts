/** The thorough encoder: makes the tagged JSON of any value that can be kept, or says where it cannot (V1). */
import { quoteIdentifier, SerializationError } from "../../contract/errors.js";
import { isArrayPrototype, ownPrototype } from "../realms.js";
import {
  bigintText,
  CONTAINERS,
  DEFAULT_MAX_BYTES,
  DOCUMENT_KEY,
  ERROR_FIELDS,
  ERROR_KINDS,
  FORMAT_VERSION,
  hasProperties,
  isDocument,
  type Json,
  type LeafWriter,
  MAX_CONTAINERS,
  MAX_MEMBERS,
  SET_MEMBER,
  TAG_KEY,
} from "./format.js";
import { hasFurtherProperties } from "./further-properties.js";
import { base64Of, LaterBytes } from "./later-bytes.js";
import { leafByPrototype } from "./leaves.js";
import { type PathStep, renderPath } from "./path.js";
import { jsonIsOverridden } from "./plain.js";
import { PreparedValue } from "./prepared-value.js";

/** Fewer bytes are text in less time than a look at them later takes. */
const LATER_FROM = 16 * 1024;

/** What is known of an object that was met: one that is met again is not written again. */
interface Written {
  tree: Json;
  /** Least characters of its text. */
  size: number;
  /** Arrays and objects in it, and elements and properties. */
  containers: number;
  members: number;
  /** Levels of nesting in its tree; 0 while it is still being written. */
  height: number;
}

const ERROR_TYPE_BY_PROTOTYPE: ReadonlyMap<object, string> = new Map(
  [...ERROR_KINDS].map(([type, make]) => [Object.getPrototypeOf(make()), type]),
);

/**
 * The JSON to store for a value: the value's own shape if it is plain JSON, a document with tagged nodes otherwise.
 * The time and memory it takes follow the number of distinct objects, however often each is reached.
 * @throws SerializationError with the path of the first part that cannot be kept
 */
export function toStorable(value: unknown, maxDepth: number, maxBytes: number): Json {
  return new TreeWriter(maxDepth, maxBytes).document(value);
}

/** What is written at once, in some milliseconds: arrays and objects, elements and properties, characters. */
const SMALL = { containers: 10_000, members: 50_000, size: 1024 * 1024 };

/** Thrown where that is passed. */
const NOT_SMALL: unique symbol = Symbol("not small");

/** As `toStorable`, of a value that is written at once; `undefined` for a larger one. @throws SerializationError */
export function toStorableIfSmall(value: unknown, maxDepth: number): Json | undefined {
  try {
    return new TreeWriter(maxDepth, SMALL.size, "small").document(value);
  } catch (error) {
    if (error === NOT_SMALL) return undefined;
    throw error;
  }
}

/** All of a value, all of it with long bytes as a copy to be made text of later, or nothing unless it is small. */
export type TreeMode = "whole" | "bytesLater" | "small";

export class TreeWriter implements LeafWriter {
  readonly #maxDepth: number;
  readonly #maxBytes: number;
  readonly #mode: TreeMode;
  readonly #path: PathStep[] = [];
  readonly #met = new Map<object, Written>();
  #size = 0;
  #containers = 0;
  #members = 0;
  /** Deepest level reached inside the object that is being written. */
  #deepest = 0;
  #tagged = false;

  constructor(maxDepth: number, maxBytes: number, mode: TreeMode = "whole") {
    this.#maxDepth = maxDepth;
    this.#maxBytes = maxBytes;
    this.#mode = mode;
  }

  /** Whether a tagged node was written: what holds it is to become a document. */
  get tagged(): boolean {
    return this.#tagged;
  }

  /** Least characters of the text so far. */
  get size(): number {
    return this.#size;
  }

  /** Arrays and objects so far, and elements and properties: as they count for the limits. */
  get containers(): number {
    return this.#containers;
  }

  get members(): number {
    return this.#members;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Where it is, and where it was when it refused. */
  get path(): readonly PathStep[] {
    return this.#path;
  }

  /** The tree of a value that stands in others, `depth` levels down, of a document. */
  part(value: unknown, depth: number): Json {
    return this.#node(value, depth);
  }

  document(value: unknown): Json {
    try {
      if (jsonIsOverridden()) this.refuse("a value while a prototype of JavaScript itself has a toJSON");
      const tree = this.#node(value, 0);
      if (!this.#tagged && !isDocument(value)) return value as Json;
      return { [DOCUMENT_KEY]: FORMAT_VERSION, value: tree };
    } catch (error) {
      if (error instanceof SerializationError || error === NOT_SMALL) throw error;
      throw new SerializationError(renderPath(this.#path), "a value that cannot be read cannot be stored", {
        cause: error,
      });
    }
  }

  refuse(what: string): never {
    throw new SerializationError(renderPath(this.#path), `${what} cannot be stored`);
  }

  reserve(bytes: number): void {
    this.#size += bytes;
    if (this.#size <= this.#maxBytes) return;
    if (this.#mode === "small") throw NOT_SMALL;
    this.refuse(`a value of more than ${this.#maxBytes} bytes`);
  }

  #count(containers: number, members: number): void {
    this.#containers += containers;
    this.#members += members;
    if (this.#mode === "small" && (this.#containers > SMALL.containers || this.#members > SMALL.members))
      throw NOT_SMALL;
    if (this.#containers > MAX_CONTAINERS) this.refuse(tooMany.containers);
    if (this.#members > MAX_MEMBERS) this.refuse(tooMany.members);
  }

  bytes(bytes: Uint8Array): Json {
    this.reserve(Math.ceil(bytes.byteLength / 3) * 4);
    if (this.#mode === "whole" || bytes.byteLength <= LATER_FROM) return base64Of(bytes);
    if (this.#mode === "small") throw NOT_SMALL;
    return LaterBytes.copyOf(bytes) as unknown as Json;
  }

  #node(value: unknown, depth: number): Json {
    switch (typeof value) {
      case "string":
        this.reserve(value.length + 2);
        return value;
      case "number":
        this.reserve(1);
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : this.#scalar("number", Object.is(value, -0) ? "-0" : String(value), depth);
      case "boolean":
        this.reserve(4);
        return value;
      case "undefined":
        return this.#scalar("undefined", undefined, depth);
      case "bigint":
        return this.#scalar("bigint", bigintText(value), depth);
      case "object":
        return value === null ? null : this.#object(value, depth + 1);
      default:
        return this.refuse(`a ${typeof value}`);
    }
  }

  /** Writes an object once, and remembers it: shared references are stored twice but written once. */
  #object(object: object, depth: number): Json {
    if (object instanceof PreparedValue) return this.#prepared(object, depth);
    const known = this.#met.get(object);
    if (known !== undefined) {
      if (known.height === 0) this.refuse("a cycle");
      this.#enter(depth + known.height - 1);
      this.reserve(known.size);
      this.#count(known.containers, known.members);
      return known.tree;
    }
    const written: Written = {
      tree: null,
      size: this.#size,
      containers: this.#containers,
      members: this.#members,
      height: 0,
    };
    this.#met.set(object, written);
    const deepestBefore = this.#deepest;
    this.#deepest = 0;
    this.#enter(depth);
    this.reserve(2);
    written.tree = this.#shape(object, depth);
    written.size = this.#size - written.size;
    written.containers = this.#containers - written.containers;
    written.members = this.#members - written.members;
    written.height = this.#deepest - depth + 1;
    this.#deepest = Math.max(this.#deepest, deepestBefore);
    return written.tree;
  }

  /** It stands for itself in the tree: the text has it as it is. */
  #prepared(value: PreparedValue, depth: number): Json {
    const { plain, tagged, levels } = PreparedValue.textsOf(value);
    if (levels > 0) this.#enter(depth + levels - 1);
    this.reserve(tagged.bytes);
    if (plain === null) this.#tagged = true;
    return value as unknown as Json;
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) this.refuse(`a value nested more than ${this.#maxDepth} levels deep`);
    this.#deepest = Math.max(this.#deepest, depth);
  }

  #shape(object: object, depth: number, prototype: object | null = Object.getPrototypeOf(object)): Json {
    if (Array.isArray(object)) {
      if (!isArrayPrototype(prototype)) this.refuse(instanceName(prototype));
      return this.#array(object, depth);
    }
    if (prototype === Object.prototype) {
      if (!Object.hasOwn(object, TAG_KEY)) return this.#properties(object, depth);
      // Needed inside a document only, so it is no reason to make one.
      this.#count(CONTAINERS.wrapped - 1, 0);
      return { [TAG_KEY]: "object", value: this.#nested(object, depth) };
    }
    if (prototype === null) {
      this.#count(CONTAINERS.withoutPrototype - 1, 0);
      return this.#tag("null-prototype", this.#nested(object, depth));
    }
    if (prototype === Map.prototype) return this.#map(object as Map<unknown, unknown>, depth);
    if (prototype === Set.prototype) return this.#set(object as Set<unknown>, depth);
    const leaf = leafByPrototype(prototype);
    if (leaf !== undefined) {
      this.#count(leaf.containers, 0);
      this.#enter(depth + 1);
      return this.#tag(leaf.tag, leaf.write(object, this));
    }
    const errorType = ERROR_TYPE_BY_PROTOTYPE.get(prototype);
    if (errorType !== undefined) return this.#error(object, errorType, depth);
    const own = ownPrototype(prototype);
    if (own !== prototype) return this.#shape(object, depth, own);
    return this.refuse(instanceName(prototype));
  }

  #tag(kind: string, value: Json): Json {
    this.#tagged = true;
    this.reserve(kind.length + 17);
    return { [TAG_KEY]: kind, value };
  }

  /** A value that is no object, and becomes one in the text. */
  #scalar(kind: string, text: string | undefined, depth: number): Json {
    this.#tagged = true;
    this.#enter(depth + 1);
    this.#count(kind === "bigint" ? CONTAINERS.bigint : 1, 0);
    this.reserve(kind.length + 8 + (text === undefined ? 0 : text.length + 11));
    return text === undefined ? { [TAG_KEY]: kind } : { [TAG_KEY]: kind, value: text };
  }

  #array(array: readonly unknown[], depth: number): Json {
    const tree: Json[] = [];
    this.#count(1, array.length);
    for (let i = 0; i < array.length; i++) {
      this.#path.push(i);
      if (!Object.hasOwn(array, i)) this.refuse("a hole in an array");
      this.reserve(1);
      tree.push(this.#node(array[i], depth));
      this.#path.pop();
    }
    if (hasFurtherProperties(array)) this.refuse("an array with further properties");
    return tree;
  }

  #nested(object: object, depth: number): Json {
    this.#enter(depth + 1);
    return this.#properties(object, depth + 1);
  }

  #properties(object: object, depth: number): Json {
    if (Object.getOwnPropertySymbols(object).length !== 0) this.refuse("an object with symbol keys");
    // A copy has data properties only and reads each property once. Being own ones, all can be assigned, `__proto__` too.
    const tree: Record<string, unknown> = { ...object };
    const keys = Object.keys(tree);
    this.#count(1, keys.length);
    for (const key of keys) {
      const item = tree[key];
      this.reserve(key.length + 4);
      if (typeof item === "string") {
        this.reserve(item.length + 2);
        continue;
      }
      this.#path.push(key);
      const part = this.#node(item, depth);
      if (part !== item) tree[key] = part;
      this.#path.pop();
    }
    return tree as Record<string, Json>;
  }

  #map(map: Map<unknown, unknown>, depth: number): Json {
    if (hasProperties(map)) this.refuse("a Map with further properties");
    this.#enter(depth + 2);
    this.#count(CONTAINERS.map + CONTAINERS.entry * map.size, 2 * map.size);
    const entries: Json[] = [];
    Map.prototype.forEach.call(map, (value, key) => {
      this.reserve(4);
      const index = entries.length;
      const keyTree = this.#member(key, keyStep(index), depth + 2);
      entries.push([keyTree, this.#member(value, valueStep(key, index), depth + 2)]);
    });
    return this.#tag("Map", entries);
  }

  #set(set: Set<unknown>, depth: number): Json {
    if (hasProperties(set)) this.refuse("a Set with further properties");
    this.#enter(depth + 1);
    this.#count(CONTAINERS.map, SET_MEMBER * set.size);
    const items: Json[] = [];
    Set.prototype.forEach.call(set, (value) => {
      this.reserve(1);
      items.push(this.#member(value, memberStep(items.length), depth + 1));
    });
    return this.#tag("Set", items);
  }

  #member(value: unknown, step: PathStep, depth: number): Json {
    this.#path.push(step);
    const tree = this.#node(value, depth);
    this.#path.pop();
    return tree;
  }

  /** What JavaScript defines is kept as non-enumerable, what a program has added as enumerable. */
  #error(error: object, type: string, depth: number): Json {
    this.#enter(depth + 2);
    this.#count(CONTAINERS.error, 0);
    const fields: Record<string, unknown> = {};
    for (const name of Object.getOwnPropertyNames(error)) {
      if (ERROR_FIELDS.includes(name) && !isEnumerable(error, name)) fields[name] = error[name as keyof typeof error];
    }
    return this.#tag("Error", {
      type,
      fields: this.#properties(fields, depth + 2),
      properties: this.#properties(error, depth + 2),
    });
  }
}

/** The path of a Map's key, of its value, and of a member of a Set. */
export function keyStep(index: number): PathStep {
  return { words: `.keys()[${index}]` };
}

export function valueStep(key: unknown, index: number): PathStep {
  return typeof key === "string" ? { words: `.get(${quoteIdentifier(key)})` } : memberStep(index);
}

export function memberStep(index: number): PathStep {
  return { words: `.values()[${index}]` };
}

/** What is refused for how much there is of it. */
export const tooMany: { readonly containers: string; readonly members: string } = {
  containers: `a value of more than ${MAX_CONTAINERS} arrays and objects`,
  members: `a value of more than ${MAX_MEMBERS} elements and properties`,
};

/** The same of all values of a call together. */
export const tooManyInCall: { readonly containers: string; readonly members: string; readonly bytes: string } = {
  containers: `values of more than ${MAX_CONTAINERS} arrays and objects in one call rather than several`,
  members: `values of more than ${MAX_MEMBERS} elements and properties in one call rather than several`,
  bytes: `values of more than ${DEFAULT_MAX_BYTES} bytes in one call rather than several`,
};

function isEnumerable(object: object, key: string): boolean {
  return Object.prototype.propertyIsEnumerable.call(object, key);
}

/** How a refusal names an object of a class: the class's name is code, not content. */
export function instanceName(prototype: object | null): string {
  const maker: unknown =
    prototype === null ? undefined : Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  const name: unknown = typeof maker === "function" ? maker.name : "";
  return typeof name === "string" && name !== "" ? `an instance of ${name.slice(0, 80)}` : "an instance of a class";
}
