/** Sealed pieces of the states that were stored last, within a bound: the next state of a thread seals what is new of it. */
import type { PreparedList } from "../../domain/codec/codec.js";
import type { PreparedValue } from "../../domain/codec/prepared-value.js";

/** A piece as it is stored. */
export interface SealedPiece {
  /** 16 characters of base64, which name the sealed bytes within their thread. */
  readonly nonce: string;
  readonly stored: PreparedValue;
  /** About what it takes in memory. */
  readonly bytes: number;
}

/** The pieces of the last state of one namespace of a thread. */
export interface RememberedState {
  readonly keyId: string;
  /** By the text of a prepared value, or by a name of a cut's content. */
  readonly pieces: ReadonlyMap<string, SealedPiece>;
  /** All of them as a list, in their order. */
  readonly list: PreparedList;
}

const MAX_BYTES = 64 * 1024 * 1024;

/** By thread and namespace. Those that were stored to longest ago go first. */
export class RecentPieces {
  readonly #states = new Map<string, { readonly state: RememberedState; readonly bytes: number }>();
  #bytes = 0;

  get(name: string, keyId: string): RememberedState | undefined {
    const state = this.#states.get(name)?.state;
    return state?.keyId === keyId ? state : undefined;
  }

  keep(name: string, state: RememberedState): void {
    this.forget(name);
    let bytes = 0;
    for (const [key, piece] of state.pieces) bytes += key.length + piece.bytes;
    if (state.pieces.size < 2 || bytes > MAX_BYTES) return;
    this.#states.set(name, { state, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#states.keys()) {
      if (this.#bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
  }

  forget(name: string): void {
    this.#bytes -= this.#states.get(name)?.bytes ?? 0;
    this.#states.delete(name);
  }
}
