/**
 * The newest states that a saver has stored, one a thread and namespace: while the storage says that a state is still the same
 * (`etag`), it is built from here and none of it travels or is decoded. Only that answer counts, so other processes may write too.
 */
import type { PreparedValue } from "../../domain/codec/prepared-value.js";
import type { CheckpointFrame } from "./checkpoint-frames.js";
import type { KnownPart } from "./known-parts.js";

/** An element of a list: a copy of it is made from its text where it has no snapshot. */
export type ListPart = KnownPart | PreparedValue;

/** A list whose elements are known, and its encoded form. */
export interface KnownList {
  /** The elements, of which so many count: a list that goes on from this one shares them. */
  readonly parts: ListPart[];
  readonly count: number;
  readonly prepared: PreparedValue;
}

/** A value of a channel. */
export type KnownValue = KnownList | PreparedValue;

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

  /** `textBytes`: of the encoded state. */
  set(threadId: string, namespace: string, etag: string, state: KnownState, textBytes: number): void {
    const key = keyOf(threadId, namespace);
    this.#drop(key);
    const bytes = sizeOf(state, textBytes);
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

/** The text twice: as it is stored, and in the strings of the snapshots. */
function sizeOf({ values }: KnownState, textBytes: number): number {
  const elements = values.reduce((sum, [, value]) => sum + ("parts" in value ? value.count : 0), 0);
  return 2 * textBytes + elements * ELEMENT_BYTES;
}
