/**
 * The sealed form of a checkpoint's state: a head of its own, and pieces that states of the thread share (K4).
 *
 * Equal pieces of one thread become equal ciphertext, which the store keeps once. The head is bound to its checkpoint and names
 * the pieces in their order, so that no other state can be put together of them.
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { CorruptionError } from "../../contract/errors.js";
import { type PreparedList, prepareList, prepareValue } from "../../domain/codec/codec.js";
import type { EncodedText } from "../../domain/codec/encoded-text.js";
import { Slices } from "../../domain/slices.js";
import { type Packing, packPart, packWhole, unpackAll, unpackText } from "./compression.js";
import type { RememberedState, SealedPiece } from "./recent-pieces.js";
import { bound, nonceOf, open, partsOf, seal, sealAlike, sealedText, unverified } from "./seal.js";
import { joined, type OutlineItem, outlineOf, type Piece } from "./state-outline.js";
import type { SubjectKey } from "./tenant-keys.js";

/** What a head says: the outline, and the digest of the nonces of the pieces. The texts follow the line. */
export type HeadLine = readonly [items: readonly OutlineItem[], digest: string];

export const PIECE: Buffer = bound("piece");

/** Names cuts in memory alone: nothing is sealed with it. */
const CUT = bound("cut");

/** A state as it goes to the store, and what to remember of it. */
export interface SealedState {
  /** Head and pieces. */
  readonly data: unknown;
  readonly remembered: RememberedState;
}

/**
 * @param binding what the state is bound to: its checkpoint
 * @param before what is remembered of an earlier state of the thread, sealed by the same key
 */
export function sealState(
  text: EncodedText,
  key: SubjectKey,
  binding: Uint8Array,
  packing: Packing,
  before?: RememberedState,
): SealedState {
  const { items, texts, pieces } = outlineOf(text);
  const known = new Map<string, SealedPiece>();
  const sealed = pieces.map((piece) => sealedPiece(piece, key, packing, before, known));
  const line: HeadLine = [items, digestOf(sealed.map(({ nonce }) => nonce))];
  const head = sealedText(key, seal(key, binding, packHead(line, texts, packing)));
  const stored = sealed.map((piece) => piece.stored);
  const list: PreparedList = { items: stored, prepared: prepareList(stored, before?.list) };
  return {
    data: stored.length === 0 ? [head] : [head, list.prepared],
    remembered: { keyId: key.id, pieces: known, list },
  };
}

function sealedPiece(
  piece: Piece,
  key: SubjectKey,
  packing: Packing,
  before: RememberedState | undefined,
  known: Map<string, SealedPiece>,
): SealedPiece {
  // A prepared value is known by its text, the same string each time, and a cut by a name of its content.
  const name = typeof piece === "string" ? piece : nonceOf(key, CUT, piece);
  const found = known.get(name) ?? before?.pieces.get(name);
  if (found !== undefined) {
    known.set(name, found);
    return found;
  }
  const packed = packPart(typeof piece === "string" ? Buffer.from(piece) : piece, packing);
  // Of the very bytes that are sealed: packed in another way, the same content must not have the same nonce.
  const nonce = nonceOf(key, PIECE, packed);
  const text = sealAlike(key, nonce, PIECE, packed).toString("base64");
  const sealed = { nonce, stored: prepareValue(text), bytes: text.length + 200 };
  known.set(name, sealed);
  return sealed;
}

/** 24 characters for any number of pieces. */
export function digestOf(nonces: readonly string[]): string {
  return hash("sha256", nonces.join(""), "buffer").toString("base64", 0, 18);
}

/** What is stored in place of a state. */
export interface StoredState {
  readonly keyId: string;
  readonly head: Buffer;
  readonly pieces: readonly string[];
}

/** The stored form of a state; `undefined` for what was never sealed. */
export function storedState(data: unknown): StoredState | undefined {
  if (!Array.isArray(data) || data.length < 1 || data.length > 2) return undefined;
  const parts = partsOf(data[0]);
  const pieces: unknown = data[1] ?? [];
  if (parts === undefined || !Array.isArray(pieces)) return undefined;
  if (!pieces.every((piece) => typeof piece === "string")) return undefined;
  return { keyId: parts.keyId, head: parts.sealed, pieces };
}

/** A head as it is sealed. */
export function packHead(line: HeadLine, texts: string, packing: Packing): Uint8Array {
  return packWhole(Buffer.from(`${JSON.stringify(line)}\n${texts}`), packing);
}

/** What a head says. @throws CorruptionError unless it is the head of these pieces */
export function openHead(
  { head, pieces }: Pick<StoredState, "head" | "pieces">,
  key: SubjectKey,
  binding: Uint8Array,
  what: string,
): { readonly line: HeadLine; readonly texts: string } {
  const opened = unpackText(open(key, binding, head, what), what);
  const end = opened.indexOf("\n");
  const line = JSON.parse(opened.slice(0, end)) as HeadLine;
  if (line[1] !== digestOf(pieces.map((piece) => piece.slice(0, NONCE_LENGTH)))) throw unverified(what);
  return { line, texts: opened.slice(end + 1) };
}

/** The text of a state. @throws CorruptionError unless it is the whole state that was stored there */
export async function openState(
  { head, pieces }: StoredState,
  key: SubjectKey,
  binding: Uint8Array,
  what: string,
): Promise<string> {
  const {
    line: [items],
    texts,
  } = openHead({ head, pieces }, key, binding, what);
  const slices = new Slices(null);
  const packed: Uint8Array[] = [];
  for (const piece of pieces) {
    packed.push(open(key, PIECE, Buffer.from(piece, "base64"), what));
    if (slices.over()) await slices.pause();
  }
  const contents: Uint8Array[] = [];
  for (let at = 0; at < packed.length; at += AT_ONCE) {
    contents.push(...unpackAll(packed.slice(at, at + AT_ONCE), what));
    if (slices.over()) await slices.pause();
  }
  const count = items.reduce<number>((sum, item) => sum + (typeof item === "number" ? Math.max(0, item) : item[0]), 0);
  if (count !== pieces.length) throw new CorruptionError(`${what} has more or fewer parts than it says`);
  return joined({ items, texts }, contents, what);
}

/** Characters of a nonce in base64. */
const NONCE_LENGTH = 16;

/** Pieces that are unpacked at once. */
const AT_ONCE = 1_024;
