/** Reads large tagged JSON back into values, in steps. What is not large in it is read as any other. */
import { type Json, MAX_DEPTH, malformed, malformedKind, TAG_KEY } from "./format.js";
import { LongText, type StoredText } from "./long-text.js";
import {
  arrayIn,
  errorIn,
  errorOf,
  escapedIn,
  leafError,
  leafIn,
  type Node,
  objectIn,
  revive,
  taggedIn,
} from "./read.js";

/**
 * The value of tagged JSON, as `revive` gives it.
 * @param heavy the arrays and objects in it that are large
 */
export function* reviveInSteps(
  node: unknown,
  depth: number,
  heavy: ReadonlySet<object>,
): Generator<void, unknown, void> {
  if (node instanceof LongText) return node.asString();
  if (typeof node !== "object" || node === null || !heavy.has(node)) return revive(node, depth);
  const own = depth + 1;
  if (own > MAX_DEPTH) throw malformed(`nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(node)) return yield* items(node, own, heavy);
  if (!Object.hasOwn(node, TAG_KEY)) return yield* properties(node as Node, own, heavy);
  return yield* tagged(node as Node, own, heavy);
}

function* items(array: unknown[], depth: number, heavy: ReadonlySet<object>): Generator<void, unknown[], void> {
  for (let i = 0; i < array.length; i++) {
    const item = array[i];
    if (typeof item !== "object" || item === null) continue;
    array[i] = yield* reviveInSteps(item, depth, heavy);
    yield;
  }
  return array;
}

/** Only sets keys that are own properties already. */
function* properties(node: Node, depth: number, heavy: ReadonlySet<object>): Generator<void, Node, void> {
  for (const key of Object.keys(node)) {
    const item = node[key];
    if (typeof item !== "object" || item === null) continue;
    node[key] = yield* reviveInSteps(item, depth, heavy);
    yield;
  }
  return node;
}

function* tagged(node: Node, depth: number, heavy: ReadonlySet<object>): Generator<void, unknown, void> {
  const { kind, payload } = taggedIn(node);
  switch (kind) {
    case "object":
      return yield* properties(escapedIn(payload), depth + 1, heavy);
    case "null-prototype":
      return Object.assign(Object.create(null), yield* properties(objectIn(payload, kind), depth + 1, heavy));
    case "Map":
      return yield* mapIn(payload, depth + 1, heavy);
    case "Set":
      return yield* setIn(payload, depth + 1, heavy);
    case "Error": {
      const { make, fields, properties: further } = errorIn(payload);
      const ownFields = yield* properties(fields, depth + 2, heavy);
      return errorOf(make(), ownFields, yield* properties(further, depth + 2, heavy));
    }
    case "undefined":
    case "number":
    case "bigint":
      if ((payload as unknown) instanceof LongText) node.value = withoutLong(payload);
      return revive(node, depth - 1);
    default:
      return yield* leaf(kind, payload);
  }
}

function* mapIn(payload: Json, depth: number, heavy: ReadonlySet<object>): Generator<void, unknown, void> {
  const entries = arrayIn(payload, "Map");
  const map = new Map<unknown, unknown>();
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length !== 2) throw malformedKind("Map");
    const key = yield* reviveInSteps(entry[0], depth + 1, heavy);
    map.set(key, yield* reviveInSteps(entry[1], depth + 1, heavy));
    yield;
  }
  if (map.size !== entries.length) throw malformedKind("Map");
  return map;
}

function* setIn(payload: Json, depth: number, heavy: ReadonlySet<object>): Generator<void, unknown, void> {
  const array = arrayIn(payload, "Set");
  const set = new Set<unknown>();
  for (const item of array) {
    set.add(yield* reviveInSteps(item, depth, heavy));
    yield;
  }
  if (set.size !== array.length) throw malformedKind("Set");
  return set;
}

function isText(payload: unknown): payload is StoredText {
  return typeof payload === "string" || payload instanceof LongText;
}

/** A payload without texts in pieces; it may be a list that has some. */
function withoutLong(payload: Json): Json {
  if ((payload as unknown) instanceof LongText) return (payload as unknown as LongText).asString();
  return Array.isArray(payload) ? payload.map(withoutLong) : payload;
}

function* leaf(kind: string, payload: Json): Generator<void, object, void> {
  const { read, readInSteps } = leafIn(kind);
  try {
    if (readInSteps !== undefined && isText(payload)) return yield* readInSteps(payload);
    return read(withoutLong(payload));
  } catch (error) {
    throw leafError(kind, error);
  }
}
