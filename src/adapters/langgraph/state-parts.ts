/** States on their way into the storage and back, in parts that are known where they were encoded before. */
import type { Checkpoint, CheckpointMetadata } from "@langchain/langgraph-checkpoint";
import { copyOfPrepared, listGoingOn } from "../../domain/codec/codec.js";
import type { PreparedValue } from "../../domain/codec/prepared-value.js";
import { type CheckpointFrame, frameOf } from "./checkpoint-frames.js";
import { type KnownPart, KnownParts } from "./known-parts.js";
import type { KnownList, KnownState, KnownValue, ListPart } from "./known-states.js";
import { isPlainList } from "./snapshots.js";
import type { ValueCodec } from "./value-codec.js";

/** The data of a stored checkpoint. Version 1 is the only one so far. */
export interface StoredState {
  readonly v: 1;
  readonly checkpoint: Checkpoint;
  readonly metadata: unknown;
}

/** The values of a checkpoint that are stored, by channel. */
export type ChannelValues = readonly (readonly [channel: string, value: unknown])[];

/** What goes into the storage, and what to remember once it is there: `undefined` for what cannot be built from memory. */
export interface EncodedState {
  readonly data: StoredState;
  readonly known: KnownState | undefined;
}

/** What comes back. */
export interface DecodedState {
  readonly checkpoint: Checkpoint;
  readonly metadata: CheckpointMetadata;
}

export class StateParts {
  readonly #codec: ValueCodec;
  readonly #parts: KnownParts;

  constructor(codec: ValueCodec) {
    this.#codec = codec;
    this.#parts = new KnownParts(codec);
  }

  /** A value as data, in which known messages are what they were encoded as. */
  encodeValue(value: unknown): unknown {
    return this.#parts.encode(value);
  }

  /**
   * A part that cannot be stored is handed over as it is, and the storage refuses it with its path. Lists that go on from one of the
   * state `before` take it over.
   */
  encode(
    frame: CheckpointFrame,
    values: ChannelValues,
    metadata: CheckpointMetadata,
    before: KnownState | undefined,
  ): EncodedState {
    const lists = new Map(before?.values);
    const known = values.map(([channel, value]) => [channel, this.#known(value, lists.get(channel))] as const);
    const knownMetadata = this.#parts.prepare(metadata);
    const channels = known.map(([channel, value], i) => {
      return [channel, value === undefined ? this.#codec.encode(values[i]?.[1]) : preparedOf(value)] as const;
    });
    const data: StoredState = {
      v: 1,
      checkpoint: { ...frame, channel_values: Object.fromEntries(channels) },
      metadata: knownMetadata ?? this.#codec.encode(metadata),
    };
    return {
      data,
      known:
        knownMetadata !== undefined && known.every(isKnown)
          ? { frame, values: known, metadata: knownMetadata }
          : undefined,
    };
  }

  /** Checkpoint and metadata of fresh objects. */
  decode({ frame, values, metadata }: KnownState): DecodedState {
    const channels = values.map(([channel, value]) => [channel, this.#value(value)] as const);
    return {
      checkpoint: { ...frameOf(frame), channel_values: Object.fromEntries(channels) },
      metadata: this.#copy(metadata) as CheckpointMetadata,
    };
  }

  #known(value: unknown, before: KnownValue | undefined): KnownValue | undefined {
    if (!Array.isArray(value) || value.length === 0 || !isObject(value[0])) return this.#parts.prepare(value);
    if (!isPlainList(value)) return undefined;
    const earlier = before !== undefined && "parts" in before ? before : undefined;
    const same = earlier === undefined ? 0 : this.#sameParts(value, earlier);
    const added: ListPart[] = [];
    for (let i = same; i < value.length; i++) {
      const element: unknown = value[i];
      const part = (isObject(element) ? this.#parts.partOf(element) : undefined) ?? this.#parts.prepare(element);
      if (part === undefined) return undefined;
      added.push(part);
    }
    if (earlier !== undefined && same === earlier.count) return longerList(earlier, added);
    return newList([...(earlier?.parts.slice(0, same) ?? []), ...added]);
  }

  /** How many elements at the front are what those of an earlier list were. */
  #sameParts(list: readonly unknown[], { parts, count }: KnownList): number {
    return this.#parts.countSame(list, parts, Math.min(count, list.length));
  }

  #value(value: KnownValue): unknown {
    if (!("parts" in value)) return this.#copy(value);
    const list: unknown[] = [];
    for (let i = 0; i < value.count; i++) {
      const part = value.parts[i] as ListPart;
      list.push("prepared" in part ? this.#parts.revive(part) : this.#copy(part));
    }
    return list;
  }

  #copy(value: PreparedValue): unknown {
    return this.#codec.decode(copyOfPrepared(value));
  }
}

function newList(parts: ListPart[]): KnownList {
  return { parts, count: parts.length, prepared: listGoingOn(parts.map(preparedOf)) };
}

/** Adds to the parts of the earlier list, or to a copy where another list has gone on from it already. */
function longerList(earlier: KnownList, added: readonly ListPart[]): KnownList {
  if (added.length === 0) return earlier;
  const { count } = earlier;
  const parts = earlier.parts.length === count ? earlier.parts : earlier.parts.slice(0, count);
  for (const part of added) parts.push(part);
  return { parts, count: parts.length, prepared: listGoingOn(added.map(preparedOf), earlier.prepared) };
}

function preparedOf(value: KnownPart | KnownList | PreparedValue): PreparedValue {
  return "prepared" in value ? value.prepared : value;
}

function isKnown(entry: readonly [string, KnownValue | undefined]): entry is readonly [string, KnownValue] {
  return entry[1] !== undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
