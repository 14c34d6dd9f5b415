/** Brings what was read from one store to the other, in steps. */
import { isStorageError } from "../../contract/errors.js";
import type { StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { CopyFailure, type CopyWatch, isAway } from "./copy-watch.js";
import type { Piece } from "./pieces.js";
import type { Side } from "./side.js";

/** An import of so much is one step of the target: what is larger may be there in part while it is copied. */
const STEP_RECORDS = 400;
const STEP_BYTES = 3 * 1024 * 1024;

/** A piece, or a tail that has nothing to remove. */
export interface Portion extends Pick<Piece, "records" | "copied">, Partial<Pick<Piece, "remove">> {
  /** Told when the target cannot go on from what it has. */
  readonly refused?: () => void;
}

/** Brings pieces to the target, small ones together. */
export class Importer {
  readonly #target: StorageBackend;
  readonly #side: Side;
  readonly #watch: CopyWatch;
  readonly #beforeParts: () => Promise<void>;
  readonly #onConflict: "replace" | "extend";
  #waiting: StorageRecord[] = [];
  #pieces: Portion[] = [];
  #bytes = 0;

  constructor(
    target: StorageBackend,
    side: Side,
    watch: CopyWatch,
    beforeParts: () => Promise<void>,
    onConflict: "replace" | "extend",
  ) {
    this.#target = target;
    this.#side = side;
    this.#watch = watch;
    this.#beforeParts = beforeParts;
    this.#onConflict = onConflict;
  }

  async put(piece: Portion): Promise<void> {
    const { records, remove } = piece;
    if (records.length === 0 && remove !== undefined) {
      await this.flush();
      await this.#watch.at(this.#side, () => remove(this.#target, this.#watch.options));
      piece.copied?.();
      return;
    }
    let bytes = 0;
    for (const record of records) bytes += JSON.stringify(record).length;
    if (this.#waiting.length + records.length > STEP_RECORDS || this.#bytes + bytes > STEP_BYTES) await this.flush();
    this.#pieces.push(piece);
    for (const record of records) this.#waiting.push(record);
    this.#bytes += bytes;
    if (this.#waiting.length <= STEP_RECORDS && this.#bytes <= STEP_BYTES) return;
    await this.#beforeParts();
    await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const records = this.#waiting;
    const pieces = this.#pieces;
    this.#waiting = [];
    this.#pieces = [];
    this.#bytes = 0;
    // Without the signal: what has begun ends whole.
    const onConflict = this.#onConflict;
    try {
      await this.#watch.at(this.#side, () => this.#target.importRecords(records, { onConflict }));
    } catch (error) {
      const cause = error instanceof CopyFailure ? error.cause : error;
      if (onConflict === "replace" || !isStorageError(cause) || isAway(cause)) throw error;
      for (const { refused } of pieces) refused?.();
      return;
    }
    for (const { copied } of pieces) copied?.();
  }
}
