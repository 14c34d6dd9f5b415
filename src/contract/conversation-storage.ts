/** The conversation of a session: messages ordered by `seq` (C1-C5). */
import type { CallOptions, LeaseHeld } from "./call.js";
import type { Metadata, MetadataInput } from "./json.js";

/** Who speaks. Any identifier is legal; these are the customary ones. */
export type MessageRole = "system" | "user" | "assistant" | "tool" | (string & {});

/** One structured part of a message: `type` says what it is, the rest is kept as given (C5, V1). */
export interface ContentPart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A text, or parts: text, tool call, tool result, image, … (C5). */
export type MessageContent = string | readonly ContentPart[];

/** A stored message. */
export interface Message {
  readonly sessionId: string;
  /** Position in the conversation, from 1, gap-free as assigned, never used twice (C1). */
  readonly seq: number;
  readonly messageId: string;
  readonly role: MessageRole;
  readonly content: MessageContent;
  readonly metadata: Metadata;
  /** The caller's, else the backend's clock; it never orders messages. */
  readonly timestamp: Date;
}

/** What a caller says of a new message beside role and content. */
export interface MessageOptions {
  readonly metadata?: MetadataInput | undefined;
  /** Idempotency of the append: an id that the session already has returns the stored message (C4). Default: a new UUID. */
  readonly messageId?: string | undefined;
  /** Default: the backend's clock. */
  readonly timestamp?: Date | undefined;
}

/** A message to add in a batch. */
export interface NewMessage extends MessageOptions {
  readonly role: MessageRole;
  readonly content: MessageContent;
}

export interface AddMessagesOptions extends CallOptions, LeaseHeld {}

export interface AddMessageOptions extends MessageOptions, AddMessagesOptions {}

export interface HistoryOptions extends CallOptions {
  /** Most messages returned, 0 to 10,000. Default 50. */
  readonly limit?: number | undefined;
  /** Only messages with a smaller `seq`. */
  readonly before?: number | undefined;
  /** Only messages with a larger `seq`. With it the *oldest* `limit` messages are returned, so that a follower misses none. */
  readonly after?: number | undefined;
  /** Only messages of these roles. */
  readonly roles?: readonly MessageRole[] | undefined;
}

/** Which messages to delete: exclusive bounds by `seq`, or `"all"`. */
export type MessageRange = "all" | { readonly before?: number | undefined; readonly after?: number | undefined };

/** Messages of sessions. */
export interface ConversationStorage {
  /**
   * Appends one message.
   * @throws SessionNotFoundError, FencedError, SerializationError, InvalidArgumentError
   */
  addConversationMessage(
    sessionId: string,
    role: MessageRole,
    content: MessageContent,
    options?: AddMessageOptions,
  ): Promise<Message>;

  /** Appends all the messages, at most 5,000 a call, in order, or none; one round trip. An empty list returns an empty list. */
  addConversationMessages(
    sessionId: string,
    messages: readonly NewMessage[],
    options?: AddMessagesOptions,
  ): Promise<Message[]>;

  /** The newest `limit` messages, oldest first (C2); empty for a session that is not there. Time depends on `limit` alone (C3). */
  getConversationHistory(sessionId: string, options?: HistoryOptions): Promise<Message[]>;

  /**
   * Deletes the messages of a range, all or none, and returns how many. At least one bound, or `"all"`.
   * @throws SessionNotFoundError, FencedError, InvalidArgumentError
   */
  deleteConversationMessages(sessionId: string, range: MessageRange, options?: AddMessagesOptions): Promise<number>;
}
