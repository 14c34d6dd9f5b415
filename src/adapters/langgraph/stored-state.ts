/** What stands in a stored checkpoint: LangGraph's checkpoint and metadata as data, and what of the metadata can be searched. */
import type { Checkpoint, CheckpointMetadata, SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { CorruptionError } from "../../contract/errors.js";
import type { JsonScalar } from "../../contract/json.js";
import type { CheckpointFrame } from "./checkpoint-frames.js";
import { decodeJsonPlus } from "./json-plus.js";
import type { KnownState } from "./known-states.js";
import type { Fields } from "./message-classes.js";
import {
  type ChannelValues,
  type DecodedState,
  type EncodedState,
  StateParts,
  type StoredState,
} from "./state-parts.js";
import { TAG, type ValueCodec } from "./value-codec.js";

/** Longest key and string that are searched in the store; longer ones are compared in this process. */
const MAX_INDEXED = 256;

/** Turns values into what is stored and back: by our codec, or by the user's own serialiser. */
export class StateCodec {
  readonly #values: ValueCodec;
  readonly #parts: StateParts;
  readonly #serde: SerializerProtocol | undefined;

  constructor(values: ValueCodec, serde: SerializerProtocol | undefined) {
    this.#values = values;
    this.#parts = new StateParts(values);
    this.#serde = serde;
  }

  /** The data to store of a checkpoint, and what to remember of it; `before` is what was remembered. There at once, like `encodeAll`. */
  encodeState(
    frame: CheckpointFrame,
    values: ChannelValues,
    metadata: CheckpointMetadata,
    before: KnownState | undefined,
  ): EncodedState | Promise<EncodedState> {
    if (this.#serde === undefined) return this.#parts.encode(frame, values, metadata, before);
    return this.#encodeBySerde(frame, values, metadata);
  }

  /** Checkpoint and metadata of a state that is known: fresh objects. */
  decodeKnown(state: KnownState): DecodedState {
    return this.#parts.decode(state);
  }

  /**
   * Values as data, in their order. Without a serialiser of the user's it is there at once and shares parts with the values:
   * it must reach the store before anything is awaited, because the application may change its state at any time.
   */
  encodeAll(values: readonly unknown[]): unknown[] | Promise<unknown[]> {
    const serde = this.#serde;
    if (serde === undefined) return values.map((value) => this.#parts.encodeValue(value));
    return Promise.all(
      values.map(async (value) => {
        const [type, bytes] = await serde.dumpsTyped(value);
        return { [TAG]: "serde", type, bytes };
      }),
    );
  }

  async decode(data: unknown): Promise<unknown> {
    if (!isSerialised(data)) return this.#values.decode(data);
    const { type, bytes } = data;
    if (this.#serde !== undefined) return await this.#serde.loadsTyped(type, bytes);
    if (type === "bytes") return bytes;
    if (type === "json") return decodeJsonPlus(bytes);
    throw new CorruptionError("the state was written by another serialiser, and this saver has none");
  }

  /** Checkpoint and metadata of a stored state. @throws CorruptionError when it is not one of LangGraph */
  async decodeState(data: unknown): Promise<DecodedState> {
    if (!isStoredState(data)) throw new CorruptionError("the checkpoint was not stored by LangGraph");
    const { channel_values: stored, ...rest } = data.checkpoint;
    const channels = await Promise.all(
      Object.entries(stored).map(async ([name, value]) => [name, await this.decode(value)] as const),
    );
    return {
      checkpoint: { ...rest, channel_values: Object.fromEntries(channels) },
      metadata: (await this.decode(data.metadata)) as CheckpointMetadata,
    };
  }

  async #encodeBySerde(
    frame: CheckpointFrame,
    values: ChannelValues,
    metadata: CheckpointMetadata,
  ): Promise<EncodedState> {
    const [storedMetadata, ...data] = await this.encodeAll([metadata, ...values.map(([, value]) => value)]);
    const channel_values = Object.fromEntries(values.map(([name], i) => [name, data[i]]));
    return { data: { v: 1, checkpoint: { ...frame, channel_values }, metadata: storedMetadata }, known: undefined };
  }
}

function isSerialised(data: unknown): data is { type: string; bytes: Uint8Array } {
  return typeof data === "object" && data !== null && (data as Fields)[TAG] === "serde";
}

/** Whether data is a state of LangGraph: a storage may hold checkpoints of others beside them. */
export function isStoredState(data: unknown): data is StoredState {
  if (typeof data !== "object" || data === null) return false;
  const { v, checkpoint } = data as Partial<StoredState>;
  return v === 1 && typeof checkpoint === "object" && typeof checkpoint?.channel_values === "object";
}

/** The part of the metadata that the store can search, by the same rule for what is stored and what is asked for. */
export function searchable(metadata: object): Record<string, JsonScalar> {
  const found = Object.entries(metadata).filter(([key, value]) => isSearchable(key, value));
  return Object.fromEntries(found) as Record<string, JsonScalar>;
}

function isSearchable(key: string, value: unknown): boolean {
  if (key === "" || !isShortText(key)) return false;
  if (typeof value === "string") return isShortText(value);
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value === "boolean" || value === null;
}

function isShortText(text: string): boolean {
  return text.length <= MAX_INDEXED && text.isWellFormed() && !text.includes("\0");
}

/**
 * Whether the state cannot be rebuilt without its parent: one of its delta channels has no value of its own, or it is of a
 * format whose pending sends are writes of the parent.
 */
export function dependsOnParent(checkpoint: Checkpoint, metadata: CheckpointMetadata): boolean {
  if (checkpoint.v < 4) return true;
  const deltaChannels = Object.keys(metadata.counters_since_delta_snapshot ?? {});
  return deltaChannels.some((name) => !Object.hasOwn(checkpoint.channel_values, name));
}
