/** Messages: what a caller may add, and what comes back (C4, C5). */
import { randomUUID } from "node:crypto";
import type {
  HistoryOptions,
  Message,
  MessageContent,
  MessageRange,
  NewMessage,
} from "../contract/conversation-storage.js";
import { InvalidArgumentError } from "../contract/errors.js";
import { date, integer, knownFields, listLimit, oneOf } from "./arguments.js";
import { decodeInSteps, decodeValue, isLongText, takeValue } from "./codec/codec.js";
import type { HistoryWindow, NewStoredMessage } from "./driver/storage-driver.js";
import type { StoredMessage } from "./driver/stored.js";
import { identifier } from "./identifiers.js";
import { Intake } from "./intake.js";
import type { RowDecoder, Taken } from "./large-values.js";
import { listOf, MAX_IDENTIFIERS } from "./lists.js";
import { parseContent } from "./message-content.js";
import { decodeMetadata, encodeMetadata } from "./metadata.js";

const MESSAGE_FIELDS = ["role", "content", "metadata", "messageId", "timestamp"] as const;

/** A new message, encoded. `name` is how errors call it, `intake` that of all messages of the call. */
export function parseMessage(value: unknown, name: string, intake: Intake = new Intake()): Taken<NewStoredMessage> {
  const message = knownFields(value as NewMessage, name, MESSAGE_FIELDS);
  const role = identifier(message.role, `${name}.role`);
  const content = takeValue(parseContent(message.content, `${name}.content`), intake);
  const fields = {
    role,
    metadata: message.metadata === undefined ? "{}" : encodeMetadata(message.metadata, `${name}.metadata`, intake),
    keyed: message.messageId !== undefined,
    messageId: message.messageId === undefined ? randomUUID() : identifier(message.messageId, `${name}.messageId`),
    timestamp: message.timestamp === undefined ? null : date(message.timestamp, `${name}.timestamp`),
  };
  return { value: content, stored: (text) => ({ ...fields, content: text }) };
}

/** Stored messages as callers see them. */
export function messageDecoder(sessionId: string): RowDecoder<StoredMessage, Message> {
  return {
    isLong: ({ content }) => isLongText(content),
    decode: (stored) => toMessage(sessionId, stored, decodeValue(String(stored.content))),
    *inSteps(stored) {
      return toMessage(sessionId, stored, yield* decodeInSteps(stored.content));
    },
  };
}

function toMessage(sessionId: string, stored: StoredMessage, content: unknown): Message {
  return {
    sessionId,
    seq: stored.seq,
    messageId: stored.messageId,
    role: stored.role,
    content: content as MessageContent,
    metadata: decodeMetadata(stored.metadata),
    timestamp: new Date(stored.timestamp),
  };
}

/** Which messages a history is made of (C2). */
export function parseWindow(options: Partial<HistoryOptions>): HistoryWindow {
  return {
    limit: listLimit(options.limit, 50),
    before: seqBound(options.before, "before"),
    after: seqBound(options.after, "after"),
    roles:
      options.roles === undefined
        ? null
        : [
            ...new Set(
              listOf(options.roles, "roles", MAX_IDENTIFIERS).map((role, i) => identifier(role, `roles[${i}]`)),
            ),
          ],
  };
}

/** Which messages to delete; no bound at all must be said by `"all"`. */
export function parseRange(value: unknown): { readonly after: number | null; readonly before: number | null } {
  if (typeof value === "string") {
    oneOf(value, "range", ["all"]);
    return { after: null, before: null };
  }
  const range = knownFields(value as Exclude<MessageRange, "all">, "range", ["before", "after"]);
  if (range.before === undefined && range.after === undefined) {
    throw new InvalidArgumentError('range must have before or after, or be "all"');
  }
  return { after: seqBound(range.after, "range.after"), before: seqBound(range.before, "range.before") };
}

function seqBound(value: unknown, name: string): number | null {
  return value === undefined ? null : integer(value, name, { min: 0 });
}
