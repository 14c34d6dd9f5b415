/** Messages: the content is sealed and bound to its session, its id and its role. */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { types } from "node:util";
import type {
  AddMessageOptions,
  AddMessagesOptions,
  ConversationStorage,
  HistoryOptions,
  Message,
  MessageContent,
  MessageRange,
  MessageRole,
  NewMessage,
} from "../../contract/conversation-storage.js";
import { knownFields } from "../../domain/arguments.js";
import { decodeValue, encodeValue } from "../../domain/codec/codec.js";
import { identifier } from "../../domain/identifiers.js";
import { Intake } from "../../domain/intake.js";
import { listOf, MAX_MESSAGES } from "../../domain/lists.js";
import { parseContent } from "../../domain/message-content.js";
import { Slices } from "../../domain/slices.js";
import { unpackAll } from "./compression.js";
import { messageMetadataPlace, messagePlace } from "./places.js";
import type { TenantSeals } from "./tenant-seals.js";

/** Messages that are unpacked at once. */
const AT_ONCE = 256;

/** A content in its sealed form, and what it holds. */
interface Sent {
  readonly sealed: unknown;
  readonly text: string;
}

export function conversationVerbs(inner: ConversationStorage, seals: TenantSeals): ConversationStorage {
  /** @param sent what was stored just now: it need not be opened to know what it holds */
  const openedAll = async (messages: readonly Message[], sent: readonly Sent[] = []): Promise<Message[]> => {
    const slices = new Slices(null);
    const all: Message[] = [];
    for (let at = 0; at < messages.length; at += AT_ONCE) {
      const some = messages.slice(at, at + AT_ONCE);
      const texts = await textsOf(some, sent.slice(at, at + AT_ONCE), slices);
      for (const [i, message] of some.entries()) {
        const text = texts[i];
        all.push({
          ...message,
          content: text === undefined ? message.content : (decodeValue(text) as MessageContent),
          metadata: await seals.openMetadata(
            message.metadata,
            messageMetadataPlace(message.sessionId, message.messageId),
          ),
        });
        if (slices.over()) await slices.pause();
      }
    }
    return all;
  };

  const textsOf = async (
    messages: readonly Message[],
    sent: readonly Sent[],
    slices: Slices,
  ): Promise<(string | undefined)[]> => {
    const texts: (string | undefined)[] = [];
    const packed: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    for (const [at, { sessionId, messageId, role, content }] of messages.entries()) {
      const known = sent[at];
      texts.push(known?.sealed === content ? known?.text : undefined);
      if (known?.sealed === content) continue;
      const bytes = await seals.openPacked(content, messagePlace(sessionId, messageId, role));
      if (bytes !== undefined) packed.push({ at, bytes });
      if (slices.over()) await slices.pause();
    }
    const all = packed.map(({ bytes }) => bytes);
    for (const [i, content] of unpackAll(all, "messages of a conversation").entries()) {
      texts[packed[i]?.at ?? 0] = Buffer.from(content).toString();
    }
    return texts;
  };

  const seal = (
    sessionId: string,
    { fields, content, metadata }: EncodedMessage,
  ): NewMessage & { messageId: string } => {
    const { messageId, role } = fields;
    return {
      ...fields,
      content: seals.sealOneOfMany(content, messagePlace(sessionId, messageId, role)),
      ...(metadata === undefined
        ? {}
        : { metadata: seals.sealMetadata(metadata, messageMetadataPlace(sessionId, messageId)) }),
    };
  };

  const encoded = (message: NewMessage, name: string, intake?: Intake): EncodedMessage => {
    const known = knownFields(message, name, ["role", "content", "metadata", "messageId", "timestamp"]);
    // The content is bound to the id: one that the caller does not give is given here.
    const messageId = known.messageId === undefined ? randomUUID() : identifier(known.messageId, `${name}.messageId`);
    return {
      fields: {
        ...seals.plainCopy(known, `${name}.metadata`, intake),
        role: identifier(known.role, `${name}.role`),
        messageId,
        timestamp: types.isDate(known.timestamp) ? new Date(known.timestamp) : known.timestamp,
      },
      content: encodeValue(parseContent(known.content, `${name}.content`)),
      metadata: seals.metadataText(known.metadata, `${name}.metadata`, intake),
    };
  };

  return {
    addConversationMessage: async (
      sessionId: string,
      role: MessageRole,
      content: MessageContent,
      options?: AddMessageOptions,
    ) => {
      const id = identifier(sessionId, "sessionId");
      const { metadata, messageId, timestamp, ...rest } = options ?? {};
      const message = encoded({ role, content, metadata, messageId, timestamp }, "message");
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      const sealed = seal(id, message);
      const given = { ...rest, messageId: sealed.messageId, metadata: sealed.metadata, timestamp: sealed.timestamp };
      const stored = await inner.addConversationMessage(id, sealed.role, sealed.content, given);
      const [opened] = await openedAll([stored], [{ sealed: sealed.content, text: message.content }]);
      return opened as Message;
    },

    addConversationMessages: async (
      sessionId: string,
      messages: readonly NewMessage[],
      options?: AddMessagesOptions,
    ) => {
      const id = identifier(sessionId, "sessionId");
      const intake = new Intake();
      const all = listOf(messages, "messages", MAX_MESSAGES).map((each, i) =>
        encoded(each as NewMessage, `messages[${i}]`, intake),
      );
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      const sealed = all.map((message) => seal(id, message));
      const sent = all.map(({ content }, i) => ({ sealed: sealed[i]?.content, text: content }));
      return openedAll(await inner.addConversationMessages(id, sealed, options), sent);
    },

    getConversationHistory: async (sessionId: string, options?: HistoryOptions) =>
      openedAll(await inner.getConversationHistory(sessionId, options)),

    deleteConversationMessages: (sessionId: string, range: MessageRange, options?: AddMessagesOptions) =>
      inner.deleteConversationMessages(sessionId, range, options),
  };
}

/** A message whose content, and metadata if it is to be sealed, are encoded. */
interface EncodedMessage {
  readonly fields: NewMessage & { readonly messageId: string };
  readonly content: string;
  readonly metadata: string | undefined;
}
