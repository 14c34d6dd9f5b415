/** What the cache holds: texts and numbers, so that each hit gives fresh objects and nobody can change what others get. */
import type { Checkpoint, CheckpointWrite } from "../../contract/checkpoint-storage.js";
import type { Message, MessageContent } from "../../contract/conversation-storage.js";
import type { Metadata } from "../../contract/json.js";
import type { Session } from "../../contract/session-storage.js";
import type { TaskContext } from "../../contract/task-context-storage.js";
import { decodeValue, encodeValue } from "../../domain/codec/codec.js";

/** A result in its kept form. */
export interface Kept<T> {
  /** About what it takes in memory. */
  readonly bytes: number;
  give(): T;
}

/** What an object takes beside its texts, about. */
const OBJECT_BYTES = 300;

/** That there is nothing. */
export function keepNothing(): Kept<undefined> {
  return { bytes: OBJECT_BYTES, give: () => undefined };
}

export function keepSession(session: Session): Kept<Session> {
  const metadata = metadataText(session.metadata);
  const { createdAt, updatedAt, expiresAt, ...rest } = session;
  const times = [createdAt.getTime(), updatedAt.getTime()] as const;
  return {
    bytes: OBJECT_BYTES + metadata.length,
    give: () => ({
      ...rest,
      metadata: JSON.parse(metadata) as Metadata,
      createdAt: new Date(times[0]),
      updatedAt: new Date(times[1]),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    }),
  };
}

export function keepMessage(message: Message): Kept<Message> {
  const metadata = metadataText(message.metadata);
  const { content, timestamp, ...rest } = message;
  const time = timestamp.getTime();
  // A string cannot be changed.
  const text = typeof content === "string" ? undefined : encodeValue(content);
  return {
    bytes: OBJECT_BYTES + metadata.length + (text?.length ?? content.length),
    give: () => ({
      ...rest,
      content: text === undefined ? content : (decodeValue(text) as MessageContent),
      metadata: JSON.parse(metadata) as Metadata,
      timestamp: new Date(time),
    }),
  };
}

export function keepCheckpoint(checkpoint: Checkpoint): Kept<Checkpoint> {
  const { data, metadata, createdAt, writes, ...rest } = checkpoint;
  const texts = { data: encodeValue(data), metadata: metadataText(metadata) };
  const time = createdAt.getTime();
  const keptWrites = writes?.map(({ value, ...write }) => ({ write, text: encodeValue(value) }));
  const ofWrites = keptWrites?.reduce((sum, { text }) => sum + text.length + OBJECT_BYTES, 0) ?? 0;
  return {
    bytes: OBJECT_BYTES + texts.data.length + texts.metadata.length + ofWrites,
    give: () => ({
      ...rest,
      data: decodeValue(texts.data),
      metadata: JSON.parse(texts.metadata) as Metadata,
      createdAt: new Date(time),
      ...(keptWrites === undefined
        ? {}
        : { writes: keptWrites.map(({ write, text }): CheckpointWrite => ({ ...write, value: decodeValue(text) })) }),
    }),
  };
}

export function keepContext(context: TaskContext): Kept<TaskContext> {
  const { context: value, metadata, createdAt, ...rest } = context;
  const texts = { value: encodeValue(value), metadata: metadataText(metadata) };
  const time = createdAt.getTime();
  return {
    bytes: OBJECT_BYTES + texts.value.length + texts.metadata.length,
    give: () => ({
      ...rest,
      context: decodeValue(texts.value),
      metadata: JSON.parse(texts.metadata) as Metadata,
      createdAt: new Date(time),
    }),
  };
}

function metadataText(metadata: Metadata): string {
  return JSON.stringify(metadata);
}
