/** Sealed values under the current key: what they hold is opened and sealed again as it is, and is never unpacked. */
import { Buffer } from "node:buffer";
import type { Metadata } from "../../../contract/json.js";
import { type PreparedList, prepareList, prepareValue } from "../../../domain/codec/codec.js";
import type { CallTime } from "../call-time.js";
import { type CheckpointPlace, checkpointName, stateBinding } from "../places.js";
import type { SealedPiece } from "../recent-pieces.js";
import { bound, nonceOf, open, partsOf, seal, sealAlike, sealedText } from "../seal.js";
import { digestOf, openHead, PIECE, packHead, type StoredState } from "../sealed-state.js";
import type { SubjectKey } from "../tenant-keys.js";
import { type Place, SEALED, type TenantSeals } from "../tenant-seals.js";

/** The id of the key of a sealed text; `undefined` for what is none. */
export function keyIdOf(stored: unknown): string | undefined {
  return partsOf(stored)?.keyId;
}

/** A sealed text. @throws CorruptionError, UnsupportedError */
export async function resealed(seals: TenantSeals, stored: unknown, place: Place): Promise<string> {
  const { keyId, sealed } = partsIn(stored);
  const key = await seals.keys.byId(keyId, place.kind, place.subject);
  const binding = bound(...place.names);
  return underCurrent(seals, place, binding, open(key, binding, sealed, place.what));
}

/** A sealed text of a thread, which may have come with a copy. It is the thread's own afterwards. */
export async function resealedInThread(
  seals: TenantSeals,
  threadId: string,
  stored: unknown,
  place: Place,
  time: CallTime,
): Promise<string> {
  const { keyId, sealed } = partsIn(stored);
  const binding = bound(...place.names);
  const content = await seals.inThread(threadId, keyId, time, (key) => open(key, binding, sealed, place.what));
  return underCurrent(seals, place, binding, content);
}

/** Metadata whose values are sealed each for itself: the same value becomes the same text. */
export async function resealedKeys(seals: TenantSeals, stored: Metadata, place: Place): Promise<Metadata> {
  const current = seals.keys.current(place.kind, place.subject);
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(stored)) {
    const { keyId, sealed } = partsIn(value);
    const key = await seals.keys.byId(keyId, place.kind, place.subject);
    const binding = bound(...place.names, name);
    const content = open(key, binding, sealed, place.what);
    const nonce = nonceOf(current, binding, content);
    entries.push([name, sealedText(current, sealAlike(current, nonce, binding, content))]);
  }
  return Object.fromEntries(entries);
}

/** Metadata that is sealed whole. */
export function sealedWhole(text: string): Metadata {
  return { [SEALED]: text };
}

function partsIn(stored: unknown): { readonly keyId: string; readonly sealed: Buffer } {
  const parts = partsOf(stored);
  if (parts === undefined) throw new TypeError("only what is sealed is sealed again");
  return parts;
}

function underCurrent(seals: TenantSeals, { kind, subject }: Place, binding: Uint8Array, content: Uint8Array): string {
  const key = seals.keys.current(kind, subject);
  return sealedText(key, seal(key, binding, content));
}

/** Pieces of a thread under the current key, by what they were before: states of the thread share them. */
export class ResealedPieces {
  readonly #pieces = new Map<string, SealedPiece>();
  #list: PreparedList | undefined;

  /** A state in its sealed form. @throws CorruptionError, UnsupportedError */
  async state(
    seals: TenantSeals,
    threadId: string,
    stored: StoredState,
    place: CheckpointPlace,
    time: CallTime,
  ): Promise<unknown> {
    const current = seals.keys.current("thread", threadId);
    const binding = stateBinding(place);
    const what = checkpointName(threadId, place.checkpointId);
    const { line, texts, pieces } = await seals.inThread(threadId, stored.keyId, time, (key) => ({
      ...openHead(stored, key, binding, what),
      pieces: stored.pieces.map((piece) => this.#resealed(piece, key, current, what)),
    }));
    const head = packHead([line[0], digestOf(pieces.map(({ nonce }) => nonce))], texts, seals.rules.packing);
    const sealedHead = sealedText(current, seal(current, binding, head));
    if (pieces.length === 0) return [sealedHead];
    const items = pieces.map((piece) => piece.stored);
    this.#list = { items, prepared: prepareList(items, this.#list) };
    return [sealedHead, this.#list.prepared];
  }

  #resealed(text: string, key: SubjectKey, current: SubjectKey, what: string): SealedPiece {
    const known = this.#pieces.get(text);
    if (known !== undefined) return known;
    const packed = open(key, PIECE, Buffer.from(text, "base64"), what);
    const nonce = nonceOf(current, PIECE, packed);
    const sealed = sealAlike(current, nonce, PIECE, packed).toString("base64");
    const piece = { nonce, stored: prepareValue(sealed), bytes: sealed.length };
    if (this.#pieces.size >= MAX_PIECES) this.#pieces.clear();
    this.#pieces.set(text, piece);
    return piece;
  }
}

const MAX_PIECES = 10_000;
