/** Reads tagged JSON back into values. Nothing stored is looked up by name: each kind is a case in a fixed list (V3). */
import { CorruptionError, quoteIdentifier } from "../../contract/errors.js";
import {
  bigintText,
  DOCUMENT_KEY,
  ERROR_FIELDS,
  ERROR_KINDS,
  FORMAT_VERSION,
  type Json,
  type LeafKind,
  MAX_DECIMAL_DIGITS,
  MAX_DEPTH,
  malformed,
  malformedKind,
  NUMBERS,
  setOwn,
  TAG_KEY,
} from "./format.js";
import { leafByTag } from "./leaves.js";

/** A tree in which some nodes may already be values. */
export type Node = { [key: string]: unknown };

/**
 * The value of a document. Uses up `root`: its objects become those of the value.
 * @throws CorruptionError for anything that the encoder does not write
 */
export function fromDocument(root: { [key: string]: Json }): unknown {
  return revive(contentOf(root), 0);
}

/** The tagged JSON inside a document. */
export function contentOf(root: { [key: string]: Json }): unknown {
  const version = root[DOCUMENT_KEY];
  if (Number.isSafeInteger(version) && (version as number) > FORMAT_VERSION) {
    throw new CorruptionError(
      `the stored value has format version ${version}; this release reads up to ${FORMAT_VERSION}: update waystone`,
    );
  }
  if (version !== FORMAT_VERSION || !Object.hasOwn(root, "value") || Object.keys(root).length !== 2) {
    throw malformed("its document");
  }
  return root.value;
}

/** Whether plain JSON has more than `levels` levels of nested arrays and objects. */
export function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (isDeeper(value[i] as Json, levels - 1)) return true;
    return false;
  }
  for (const key in value) if (isDeeper(value[key] as Json, levels - 1)) return true;
  return false;
}

export function revive(node: unknown, depth: number): unknown {
  return typeof node === "object" && node !== null ? reviveObject(node, depth + 1) : node;
}

function reviveObject(node: object, depth: number): unknown {
  if (depth > MAX_DEPTH) throw malformed(`nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(node)) return reviveItems(node, depth);
  return Object.hasOwn(node, TAG_KEY) ? reviveTagged(node as Node, depth) : reviveProperties(node as Node, depth);
}

function reviveItems(items: unknown[], depth: number): unknown[] {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item === "object" && item !== null) items[i] = reviveObject(item, depth + 1);
  }
  return items;
}

/** Only sets keys that are own properties already: for these, assigning `__proto__` is an assignment like any other. */
function reviveProperties(node: Node, depth: number): Node {
  for (const key of Object.keys(node)) {
    const item = node[key];
    if (typeof item === "object" && item !== null) node[key] = reviveObject(item, depth + 1);
  }
  return node;
}

/** The kind of a tagged node, and what it holds. */
export function taggedIn(node: Node): { readonly kind: string; readonly payload: Json } {
  const kind = node[TAG_KEY];
  const hasPayload = Object.hasOwn(node, "value");
  if (typeof kind !== "string" || Object.keys(node).length !== (hasPayload ? 2 : 1)) throw malformed("a tagged node");
  if (hasPayload === (kind === "undefined")) throw malformedKind(kind);
  return { kind, payload: node.value as Json };
}

function reviveTagged(node: Node, depth: number): unknown {
  const { kind, payload } = taggedIn(node);
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      return reviveNumber(payload);
    case "bigint":
      return reviveBigint(payload);
    case "object":
      return reviveEscaped(payload, depth + 1);
    case "null-prototype":
      return Object.assign(Object.create(null), reviveProperties(objectIn(payload, kind), depth + 1));
    case "Map":
      return reviveMap(payload, depth + 1);
    case "Set":
      return reviveSet(payload, depth + 1);
    case "Error":
      return reviveError(payload, depth + 1);
    default:
      return reviveLeaf(kind, payload);
  }
}

function reviveNumber(payload: Json): number {
  const number = typeof payload === "string" ? NUMBERS.get(payload) : undefined;
  if (number === undefined) throw malformedKind("number");
  return number;
}

function reviveBigint(payload: Json): bigint {
  if (typeof payload !== "string") throw malformedKind("bigint");
  const negative = payload.startsWith("-");
  const digits = negative ? payload.slice(1) : payload;
  if (!digits.startsWith("0x") && digits.length > MAX_DECIMAL_DIGITS) throw malformedKind("bigint");
  let magnitude: bigint;
  try {
    magnitude = BigInt(digits);
  } catch {
    throw malformedKind("bigint");
  }
  const value = negative ? -magnitude : magnitude;
  // Only what the encoder writes for this number: no spaces, leading zeros or second sign.
  if (bigintText(value) !== payload) throw malformedKind("bigint");
  return value;
}

/** A user's object that has the key of our tags. */
function reviveEscaped(payload: Json, depth: number): unknown {
  return reviveProperties(escapedIn(payload), depth);
}

export function escapedIn(payload: Json): Node {
  const object = objectIn(payload, "object");
  if (!Object.hasOwn(object, TAG_KEY)) throw malformedKind("object");
  return object;
}

function reviveMap(payload: Json, depth: number): Map<unknown, unknown> {
  const entries = arrayIn(payload, "Map");
  const map = new Map<unknown, unknown>();
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length !== 2) throw malformedKind("Map");
    const key = revive(entry[0], depth + 1);
    map.set(key, revive(entry[1], depth + 1));
  }
  if (map.size !== entries.length) throw malformedKind("Map");
  return map;
}

function reviveSet(payload: Json, depth: number): Set<unknown> {
  const items = arrayIn(payload, "Set");
  const set = new Set(reviveItems(items, depth));
  if (set.size !== items.length) throw malformedKind("Set");
  return set;
}

function reviveError(payload: Json, depth: number): Error {
  const { make, fields, properties } = errorIn(payload);
  return errorOf(make(), reviveProperties(fields, depth + 1), reviveProperties(properties, depth + 1));
}

export interface ErrorNode {
  readonly make: () => Error;
  readonly fields: Node;
  readonly properties: Node;
}

export function errorIn(payload: Json): ErrorNode {
  const { type, fields, properties, ...rest } = objectIn(payload, "Error");
  const make = typeof type === "string" ? ERROR_KINDS.get(type) : undefined;
  if (make === undefined || Object.keys(rest).length !== 0) throw malformedKind("Error");
  return { make, fields: objectIn(fields, "Error"), properties: objectIn(properties, "Error") };
}

/** A fresh error with these properties and no others. */
export function errorOf(error: Error, fields: Node, properties: Node): Error {
  // What the constructor has set, this stack above all, is not the stored error's.
  for (const name of ERROR_FIELDS) Reflect.deleteProperty(error, name);
  for (const name of Object.keys(fields)) {
    if (!ERROR_FIELDS.includes(name)) throw malformedKind("Error");
    setOwn(error, name, fields[name], false);
  }
  for (const name of Object.keys(properties)) setOwn(error, name, properties[name]);
  return error;
}

function reviveLeaf(kind: string, payload: Json): object {
  const leaf = leafIn(kind);
  try {
    return leaf.read(payload);
  } catch (error) {
    throw leafError(kind, error);
  }
}

/** @throws CorruptionError for a kind that is not known here */
export function leafIn(kind: string): LeafKind {
  const leaf = leafByTag(kind);
  if (leaf !== undefined) return leaf;
  throw new CorruptionError(
    `the stored value has a kind that this release or its runtime does not know: ${quoteIdentifier(kind)}`,
  );
}

/** Constructors refuse with errors of their own: a flag of RegExp that this runtime lacks, an invalid URL. */
export function leafError(kind: string, error: unknown): CorruptionError {
  return error instanceof CorruptionError ? error : malformedKind(kind);
}

export function objectIn(payload: unknown, kind: string): Node {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) throw malformedKind(kind);
  return payload as Node;
}

export function arrayIn(payload: unknown, kind: string): unknown[] {
  if (!Array.isArray(payload)) throw malformedKind(kind);
  return payload;
}
