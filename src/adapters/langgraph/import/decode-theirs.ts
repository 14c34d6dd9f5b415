/** Rows of the official savers as checkpoints and writes; what cannot be read is told and left out. */
import type { Checkpoint, CheckpointMetadata, SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { CorruptionError, quoteIdentifier } from "../../../contract/errors.js";
import { decodeAndTell } from "../json-plus.js";
import type { Fields } from "../message-classes.js";
import type { FindingKind } from "./findings.js";
import type { Payload, TheirChannel, TheirCheckpoint, TheirWrite } from "./source.js";

/** A write with its value. */
export interface DecodedWrite extends Omit<TheirWrite, "payload"> {
  readonly value: unknown;
}

/** What could be read of a checkpoint; no `state` when the checkpoint itself could not. */
export interface Decoded {
  readonly state: { readonly checkpoint: Checkpoint; readonly metadata: CheckpointMetadata } | undefined;
  readonly writes: readonly DecodedWrite[];
}

/** Tells a flaw of one part. */
export type TellPart = (kind: FindingKind, part: string, imported: boolean, reason: string) => void;

/** Reads what a saver with the given serialiser wrote; without one it was the official one. */
export class TheirDecoder {
  readonly #serde: SerializerProtocol | undefined;

  constructor(serde: SerializerProtocol | undefined) {
    this.#serde = serde;
  }

  async decode(theirs: TheirCheckpoint, tell: TellPart): Promise<Decoded> {
    const state = await this.#state(theirs, tell);
    return { state, writes: await this.writes(theirs.writes, tell) };
  }

  async writes(theirs: readonly TheirWrite[], tell: TellPart): Promise<DecodedWrite[]> {
    const decoded: DecodedWrite[] = [];
    for (const { payload, ...write } of theirs) {
      const value = await this.#value(payload, partOfWrite(write), tell);
      if (value !== undefined) decoded.push({ ...write, value: value.value });
    }
    return decoded;
  }

  async #state(theirs: TheirCheckpoint, tell: TellPart): Promise<Decoded["state"]> {
    const { channels } = theirs;
    // Told when the checkpoint is known to be one: what the serialiser has put in the place of the whole is none.
    const held: Parameters<TellPart>[] = [];
    const hold: TellPart = (...flaw) => held.push(flaw);
    const checkpoint =
      channels === undefined
        ? await this.#value(theirs.checkpoint, "checkpoint", hold)
        : { value: JSON.parse(String(theirs.checkpoint.data)) as unknown };
    const frame = frameOf(checkpoint?.value);
    const problem = problemOf(frame, theirs);
    if (checkpoint !== undefined && problem !== undefined) {
      tell("undecodable", "checkpoint", false, held[0]?.[3] ?? problem);
      return undefined;
    }
    for (const flaw of held) tell(...flaw);
    const metadata =
      channels === undefined || this.#serde === undefined
        ? await this.#value(theirs.metadata, "metadata", tell)
        : await this.#metadataBesideValues(theirs.metadata, tell);
    if (frame === undefined || metadata === undefined) return undefined;
    if (!isFields(metadata.value)) {
      tell("undecodable", "metadata", false, "they are no object");
      return undefined;
    }
    const values = channels === undefined ? frame.channel_values : await this.#channels(channels, tell);
    return {
      checkpoint: { ...frame, channel_values: values },
      metadata: metadata.value as unknown as CheckpointMetadata,
    };
  }

  async #channels(channels: readonly TheirChannel[], tell: TellPart): Promise<Record<string, unknown>> {
    const values: [string, unknown][] = [];
    for (const { name, payload } of channels) {
      const part = `channel ${quoteIdentifier(name)}`;
      if (payload === undefined) {
        tell("missing-value", part, false, "the row with the value of this version is not there");
        continue;
      }
      const decoded = await this.#value(payload, part, tell);
      if (decoded !== undefined) values.push([name, decoded.value]);
    }
    return Object.fromEntries(values);
  }

  /** Beside values that a serialiser wrote, metadata are JSON that the same serialiser gives and reads. */
  async #metadataBesideValues(payload: Payload, tell: TellPart): Promise<{ readonly value: unknown } | undefined> {
    const serde = this.#serde;
    if (serde === undefined) return undefined;
    const plain: unknown = JSON.parse(String(payload.data));
    const [type, data] = await serde.dumpsTyped(plain);
    return this.#value({ type, data }, "metadata", tell);
  }

  async #value(payload: Payload, part: string, tell: TellPart): Promise<{ readonly value: unknown } | undefined> {
    const { data } = payload;
    const type = payload.type ?? "json";
    if (data === null) {
      tell("undecodable", part, false, "there is no data");
      return undefined;
    }
    try {
      if (this.#serde !== undefined) return { value: await this.#serde.loadsTyped(type, data) };
      if (type === "bytes")
        return { value: typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data) };
      if (type !== "json") throw new CorruptionError(`it has the form ${quoteIdentifier(type)}, which is not known`);
      const told = new Set<string>();
      const value = decodeAndTell(data, ({ kind, reason }) => {
        if (!told.has(reason)) tell(kind, part, true, reason);
        told.add(reason);
      });
      return { value };
    } catch (error) {
      if (this.#serde === undefined && !(error instanceof CorruptionError) && !(error instanceof RangeError))
        throw error;
      tell("undecodable", part, false, reasonOf(error));
      return undefined;
    }
  }
}

/** The words for one write. */
export function partOfWrite({ index, taskId }: Pick<TheirWrite, "index" | "taskId">): string {
  return `write ${index} of task ${quoteIdentifier(taskId)}`;
}

/** A serialiser's own message could quote the data. */
function reasonOf(error: unknown): string {
  if (error instanceof CorruptionError) return error.message;
  return error instanceof RangeError ? "it is nested too deeply to be read" : "the serialiser cannot read it";
}

/** The checkpoint as their readers see it: what is not there is empty. `undefined` when it is none. */
function frameOf(value: unknown): Checkpoint | undefined {
  if (!isFields(value) || typeof value.v !== "number" || typeof value.id !== "string") return undefined;
  const { v, id, ts } = value;
  const { channel_values = {}, channel_versions = {}, versions_seen = {} } = value;
  if (!isFields(channel_values) || !isFields(channel_versions) || !isFields(versions_seen)) return undefined;
  return { v, id, ts, channel_values, channel_versions, versions_seen } as Checkpoint;
}

function problemOf(frame: Checkpoint | undefined, theirs: TheirCheckpoint): string | undefined {
  if (frame === undefined) return "it is no checkpoint of LangGraph";
  return frame.id === theirs.checkpointId ? undefined : "it holds a checkpoint of another id";
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
