/** States, writes and metadata of a thread: opened with the key of the thread, or of one that it is a copy of. */
import type { Metadata } from "../../contract/json.js";
import type { EncodedText } from "../../domain/codec/encoded-text.js";
import { decodeMetadata } from "../../domain/metadata.js";
import type { CallTime } from "./call-time.js";
import { unpackText } from "./compression.js";
import { type CheckpointPlace, checkpointName, stateBinding } from "./places.js";
import { bound, open, partsOf } from "./seal.js";
import { openState, sealState, storedState } from "./sealed-state.js";
import { isEmpty, type Place, SEALED, type TenantSeals } from "./tenant-seals.js";

/** A state as it is stored; what it shares with the state before is sealed once. */
export function sealedStateFor(
  seals: TenantSeals,
  threadId: string,
  text: EncodedText,
  place: CheckpointPlace,
): unknown {
  const key = seals.keys.current("thread", threadId);
  const name = JSON.stringify([threadId, place.namespace]);
  const before = seals.recentPieces.get(name, key.id);
  const { data, remembered } = sealState(text, key, stateBinding(place), seals.rules.packing, before);
  seals.recentPieces.keep(name, remembered);
  return data;
}

/** The text of a state; `undefined` for one that was never sealed, where that may be read. @throws CorruptionError */
export async function openedState(
  seals: TenantSeals,
  threadId: string,
  data: unknown,
  place: CheckpointPlace,
  time: CallTime,
): Promise<string | undefined> {
  const what = checkpointName(threadId, place.checkpointId);
  const stored = storedState(data);
  if (stored === undefined) return seals.plaintext(what);
  const binding = stateBinding(place);
  return seals.inThread(threadId, stored.keyId, time, (key) => openState(stored, key, binding, what));
}

/** As `TenantSeals.openText`, for what may have come with a copied thread. */
export async function openedThreadText(
  seals: TenantSeals,
  threadId: string,
  stored: unknown,
  { names, what }: Place,
  time: CallTime,
): Promise<string | undefined> {
  const parts = partsOf(stored);
  if (parts === undefined) return seals.plaintext(what);
  const binding = bound(...names);
  return seals.inThread(threadId, parts.keyId, time, (key) => unpackText(open(key, binding, parts.sealed, what), what));
}

/** As `TenantSeals.openMetadata`, for what may have come with a copied thread. */
export async function openedThreadMetadata(
  seals: TenantSeals,
  threadId: string,
  stored: Metadata,
  place: Place,
  time: CallTime,
): Promise<Metadata> {
  if (!seals.rules.metadata || isEmpty(stored)) return stored;
  const text = await openedThreadText(seals, threadId, stored[SEALED], place, time);
  return text === undefined ? stored : decodeMetadata(text);
}
