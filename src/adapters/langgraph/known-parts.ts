/**
 * Elements of states that were encoded before: the messages of a conversation, which are stored again after each step. An element
 * that is still what it was is not encoded again; reading one gives a fresh object that is known too.
 */
import { SerializationError } from "../../contract/errors.js";
import { prepareValue } from "../../domain/codec/codec.js";
import type { PreparedValue } from "../../domain/codec/prepared-value.js";
import { type Marks, marks } from "./known-marks.js";
import {
  hasSymbols,
  isUnchanged,
  isUnchangedBut,
  NONE,
  revived,
  type Snapshot,
  type Symbols,
  snapshotOf,
} from "./snapshots.js";
import type { ValueCodec } from "./value-codec.js";

/** An element that is known: what it was, and its encoded form. */
export interface KnownPart {
  readonly snapshot: Snapshot;
  readonly prepared: PreparedValue;
}

export class KnownParts {
  readonly #codec: ValueCodec;
  readonly #parts: Marks<KnownPart> = marks();

  constructor(codec: ValueCodec) {
    this.#codec = codec;
  }

  /** The part that an element is now; `undefined` for one that has no snapshot, or that cannot be stored. */
  partOf(element: object): KnownPart | undefined {
    const known = this.#parts.get(element);
    if (known !== undefined && isUnchanged(element, known.snapshot)) return known;
    const snapshot = snapshotOf(element, (value) => this.#codec.isCustom(value));
    if (snapshot === NONE) return undefined;
    const form = preparedOf(() => this.#codec.encode(element));
    if (form === undefined) return undefined;
    const part = { snapshot, prepared: form };
    this.#parts.set(element, part);
    return part;
  }

  /** How many elements at the front of a list are what the first parts were; one without a snapshot is never known to be. */
  countSame(list: readonly unknown[], parts: readonly (KnownPart | PreparedValue)[], count: number): number {
    const symbols: Symbols = {};
    const same = countWhile(count, (i) => {
      const part = parts[i] as KnownPart | PreparedValue;
      return "prepared" in part && isUnchangedBut(symbols, list[i], part.snapshot);
    });
    if (!hasSymbols(symbols)) return same;
    return countWhile(same, (i) => isUnchanged(list[i], (parts[i] as KnownPart).snapshot));
  }

  /** A value as data, in which each message that has a part is that part. */
  encode(value: unknown): unknown {
    return this.#codec.encode(value, (message) => this.partOf(message)?.prepared);
  }

  /** The encoded form of any value; `undefined` for one that cannot be stored: the storage says where, with its whole path. */
  prepare(value: unknown): PreparedValue | undefined {
    return preparedOf(() => this.encode(value));
  }

  /** A fresh object that is known to be this part. */
  revive(part: KnownPart): unknown {
    const fresh = revived(part.snapshot);
    if (typeof fresh === "object" && fresh !== null) this.#parts.setFirst(fresh, part);
    return fresh;
  }
}

/** How many of so many, from the first one on, are as they should be. */
function countWhile(most: number, isSo: (position: number) => boolean): number {
  let count = 0;
  while (count < most && isSo(count)) count += 1;
  return count;
}

function preparedOf(data: () => unknown): PreparedValue | undefined {
  try {
    return prepareValue(data());
  } catch (error) {
    if (error instanceof SerializationError) return undefined;
    throw error;
  }
}
