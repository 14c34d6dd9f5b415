/**
 * The newest states that a saver has stored, one a thread and namespace: while the storage says that a state is still the same
 * (`etag`), it is built from here and none of it travels or is decoded. Only that answer counts, so other processes may write too.
 */
import type { Checkpoint } from "@langchain/langgraph-checkpoint";
import { PreparedValue } from "../../domain/codec/prepared-value.js";
import type { KnownPart } from "./known-parts.js";

/** A value of a channel: the elements of a list each for itself, or the whole. */
export type KnownValue = { readonly list: readonly (KnownPart | PreparedValue)[] } | PreparedValue;

/** A checkpoint without its values. */
export type CheckpointFrame = Omit<Checkpoint, "channel_values">;

/** A state as it was stored. */
export interface KnownState {
  readonly frame: CheckpointFrame;
  readonly values: readonly (readonly [channel: string, value: KnownValue])[];
  readonly metadata: PreparedValue;
}

interface Entry {
  readonly etag: string;
  readonly state: KnownState;
  readonly bytes: number;
}

/** What an element costs beside its text. */
const ELEMENT_BYTES = 500;

export class KnownStates {
  readonly #maxBytes: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(threadId: string, namespace: string): Entry | undefined {
    const key = keyOf(threadId, namespace);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  set(threadId: string, namespace: string, etag: string, state: KnownState): void {
    const key = keyOf(threadId, namespace);
    this.#drop(key);
    const bytes = sizeOf(state);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, { etag, state, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

function keyOf(threadId: string, namespace: string): string {
  return JSON.stringify([threadId, namespace]);
}

/** The text twice: as it is stored, and in the strings of the snapshot. */
function sizeOf({ values, metadata }: KnownState): number {
  let bytes = textBytes(metadata);
  for (const [, value] of values) {
    if (!("list" in value)) bytes += textBytes(value);
    else for (const part of value.list) bytes += textBytes("prepared" in part ? part.prepared : part) + ELEMENT_BYTES;
  }
  return 2 * bytes;
}

function textBytes(value: PreparedValue): number {
  return PreparedValue.textsOf(value).tagged.bytes;
}
