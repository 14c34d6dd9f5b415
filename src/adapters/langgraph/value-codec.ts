/** State as plain data: instances of known classes become tagged objects, and only those become instances again. */
import { types } from "node:util";
import { DeltaSnapshot, isDeltaSnapshot } from "@langchain/langgraph-checkpoint";
import { CorruptionError, InvalidArgumentError, quoteIdentifier } from "../../contract/errors.js";
import type { PreparedValue } from "../../domain/codec/prepared-value.js";
import { isPlainPrototype } from "../../domain/realms.js";
import {
  type Fields,
  isDocument,
  makeDocument,
  makeMessage,
  messageClassName,
  messageFields,
} from "./message-classes.js";

/** How instances of one class of the application are kept. `decode(encode(value))` must equal `value`. */
export interface ClassCodec<T = unknown> {
  /** Stands in the stored data: never change it. */
  readonly name: string;
  /** Whether the value is of this class. Asked for objects that are neither arrays nor plain. */
  readonly is: (value: object) => boolean;
  /** The data to keep: anything that a state may hold. */
  readonly encode: (value: T) => unknown;
  /** Makes the instance of what `encode` gave. */
  readonly decode: (data: unknown) => T;
}

/** The key that marks our objects. A user's object that has it is wrapped, so nothing that a user stores is mistaken. */
export const TAG = "~waystone";

/** The encoded form of a message, if it is known. */
export type KnownForm = (message: object) => PreparedValue | undefined;

/** Encodes values for the store, and decodes what the store gives back. */
export class ValueCodec {
  readonly #classes: readonly ClassCodec[];

  constructor(classes: readonly ClassCodec[]) {
    this.#classes = classes;
    const names = new Set<string>();
    for (const { name } of classes) {
      if (typeof name !== "string" || name === "" || names.has(name)) {
        throw new InvalidArgumentError(`codecs: each needs a name of its own, ${quoteIdentifier(String(name))} is not`);
      }
      names.add(name);
    }
  }

  /**
   * The value as data. Parts that need no change are shared with it, so the store must encode it before anyone changes it.
   * `known` may give the encoded form of a message that it has.
   */
  encode(value: unknown, known: KnownForm = () => undefined): unknown {
    return this.#encode(value, new Map(), known);
  }

  /**
   * The value of data that was just read; it is built from the data itself.
   * @throws CorruptionError for a tag that this version does not write, InvalidArgumentError for a codec that is not registered
   */
  decode(data: unknown): unknown {
    if (typeof data !== "object" || data === null) return data;
    if (Array.isArray(data)) {
      for (let i = 0; i < data.length; i++) data[i] = this.decode(data[i]);
      return data;
    }
    if (data instanceof Map) return new Map([...data].map(([key, item]) => [this.decode(key), this.decode(item)]));
    if (data instanceof Set) return new Set([...data].map((item) => this.decode(item)));
    if (!isPlain(data)) return data;
    return Object.hasOwn(data, TAG) ? this.#revive(data as Fields) : this.#decodeFields(data as Fields);
  }

  /** Whether an object, neither an array nor plain, belongs to a codec of the application. */
  isCustom(value: object): boolean {
    return this.#classOf(value) !== undefined;
  }

  #classOf(value: object): ClassCodec | undefined {
    return this.#classes.find(({ is }) => is(value));
  }

  #encode(value: unknown, met: Map<object, unknown>, known: KnownForm): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (met.has(value)) return met.get(value);
    // Until it is done an object stands for itself: a cycle reaches the store, which refuses it with its path.
    met.set(value, value);
    const data = this.#encodeObject(value, (part) => this.#encode(part, met, known), known);
    met.set(value, data);
    return data;
  }

  #encodeObject(value: object, encode: (part: unknown) => unknown, known: KnownForm): unknown {
    if (Array.isArray(value)) return encodeArray(value, encode);
    if (isPlain(value)) {
      const fields = encodeFields(value as Fields, encode);
      return Object.hasOwn(value, TAG) ? { [TAG]: "object", value: fields } : fields;
    }
    const codec = this.#classOf(value);
    if (codec !== undefined) {
      return { [TAG]: "custom", codec: codec.name, value: encode(codec.encode(value)) };
    }
    if (types.isMap(value)) {
      const entries = [...value].map(([key, item]) => [encode(key), encode(item)] as const);
      const same = [...value].every(([key, item], i) => entries[i]?.[0] === key && entries[i]?.[1] === item);
      return same ? value : new Map(entries);
    }
    if (types.isSet(value)) {
      const items = [...value].map(encode);
      return [...value].every((item, i) => items[i] === item) ? value : new Set(items);
    }
    const message = messageClassName(value);
    if (message !== undefined) {
      const form = known(value);
      if (form !== undefined) return form;
      return { [TAG]: "message", class: message, fields: encodeFields(messageFields(value), encode) };
    }
    if (isDeltaSnapshot(value)) return { [TAG]: "delta-snapshot", value: encode(value.value) };
    if (isDocument(value)) return { [TAG]: "document", fields: encodeFields({ ...value }, encode) };
    return encodeOfLangGraph(value as Fields, encode) ?? value;
  }

  #decodeFields(fields: Fields): Fields {
    for (const key of Object.keys(fields)) fields[key] = this.decode(fields[key]);
    return fields;
  }

  #revive(data: Fields): unknown {
    switch (data[TAG]) {
      case "object":
        return this.#decodeFields(data.value as Fields);
      case "message": {
        const message = makeMessage(String(data.class), this.#decodeFields(data.fields as Fields));
        if (message === undefined) throw new CorruptionError("the state names a class of messages that is not known");
        return message;
      }
      case "delta-snapshot":
        return new DeltaSnapshot(this.decode(data.value));
      case "document":
        return makeDocument(this.#decodeFields(data.fields as Fields));
      case "custom": {
        const codec = this.#classes.find(({ name }) => name === data.codec);
        if (codec !== undefined) return codec.decode(this.decode(data.value));
        const name = quoteIdentifier(String(data.codec));
        throw new InvalidArgumentError(`the state holds a value of the codec ${name}, which is not registered`);
      }
      default:
        throw new CorruptionError("the state holds a tag that this version does not write");
    }
  }
}

function isPlain(value: object): boolean {
  return isPlainPrototype(Object.getPrototypeOf(value));
}

function encodeArray(array: readonly unknown[], encode: (part: unknown) => unknown): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < array.length; i++) {
    const data = encode(array[i]);
    if (data === array[i]) continue;
    copy ??= array.slice();
    copy[i] = data;
  }
  return copy ?? array;
}

function encodeFields(fields: Fields, encode: (part: unknown) => unknown): Fields {
  let copy: Fields | undefined;
  for (const key of Object.keys(fields)) {
    const field = fields[key];
    const data = encode(field);
    if (data === field) continue;
    // A spread makes own properties of all, so that assigning to `__proto__` changes data and not the prototype.
    copy ??= Object.setPrototypeOf({ ...fields }, Object.getPrototypeOf(fields)) as Fields;
    copy[key] = data;
  }
  return copy ?? fields;
}

/** LangGraph's own instances as it reads them back: the plain form that their `toJSON` gives, with its parts kept as values. */
function encodeOfLangGraph(value: Fields, encode: (part: unknown) => unknown): Fields | undefined {
  const plain = (names: readonly string[]): Fields =>
    Object.fromEntries(names.filter((name) => value[name] !== undefined).map((name) => [name, encode(value[name])]));
  switch (value.lg_name) {
    case "Send":
      return plain(["node", "args", "timeout"]);
    case "Overwrite":
      return plain(["__overwrite__"]);
    case "Command":
      return plain(["lg_name", "update", "resume", "goto", "graph"]);
    default:
      return undefined;
  }
}
