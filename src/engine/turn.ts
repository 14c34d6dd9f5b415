/** What work sees of the turn that it runs in, and what it leaves to be recorded. */
import type { StoreCheckpointOptions } from "../contract/checkpoint-storage.js";
import type { MessageContent, MessageOptions, MessageRole, NewMessage } from "../contract/conversation-storage.js";
import { InvalidArgumentError } from "../contract/errors.js";
import type { Metadata, MetadataInput } from "../contract/json.js";
import { integer, knownFields } from "../domain/arguments.js";
import type { Clock } from "../domain/clock.js";
import { identifier, identifierOrEmpty } from "../domain/identifiers.js";
import { parseContent as messageContent } from "../domain/message-content.js";
import { flag, instant } from "./checks.js";
import { ownMetadata } from "./own-metadata.js";
import { snapshot } from "./snapshot.js";

/** A task context to store. */
export interface TurnContext {
  readonly value: unknown;
  /** Compare-and-set: the version that must be the newest, 0 for none yet (T1). Default: whatever is the newest. */
  readonly expectedVersion?: number | undefined;
  readonly metadata?: MetadataInput | undefined;
}

/** Where and how to store a checkpoint of a turn. */
export interface TurnCheckpointOptions
  extends Pick<StoreCheckpointOptions, "namespace" | "parentId" | "metadata" | "needsParent"> {
  /** Default: the id of the session. */
  readonly threadId?: string | undefined;
  /** Default: derived from the turn. */
  readonly checkpointId?: string | undefined;
}

/** A checkpoint to store. */
export interface TurnCheckpoint extends TurnCheckpointOptions {
  readonly data: unknown;
}

/**
 * A turn while its work runs. What it collects is copied at once and recorded when the work has ended; a verb that is called
 * later than that throws.
 */
export interface Turn {
  readonly sessionId: string;
  readonly turnId: string;
  /** 1, and one more for each time that the work of this turn was recorded as failed. */
  readonly attempt: number;
  /** The caller's signal: to give up what the work waits for. */
  readonly signal: AbortSignal | undefined;
  /** Adds a message to append. @throws InvalidArgumentError */
  message(role: MessageRole, content: MessageContent, options?: MessageOptions): void;
  /** Sets the task context to store; the last one counts. @throws InvalidArgumentError */
  context(value: unknown, options?: Omit<TurnContext, "value">): void;
  /** Adds a checkpoint to store. @throws InvalidArgumentError */
  checkpoint(data: unknown, options?: TurnCheckpointOptions): void;
}

/** What a turn is to leave in the store; copied, checked, without the ids that are derived later. */
export interface Collected {
  readonly messages: readonly CollectedMessage[];
  readonly context?: CollectedContext;
  readonly checkpoints: readonly CollectedCheckpoint[];
}

export interface CollectedMessage {
  readonly role: MessageRole;
  readonly content: MessageContent;
  readonly metadata: Metadata;
  readonly messageId?: string;
  readonly timestamp: Date;
}

export interface CollectedContext {
  readonly value: unknown;
  readonly expectedVersion?: number;
  readonly metadata: Metadata;
}

export interface CollectedCheckpoint {
  readonly data: unknown;
  readonly threadId?: string;
  readonly checkpointId?: string;
  readonly namespace: string;
  readonly parentId?: string;
  readonly needsParent: boolean;
  readonly metadata: Metadata;
}

/** A turn, and the way to end it. */
export interface TurnCollector {
  readonly turn: Turn;
  /** Ends the turn: it collects nothing more. */
  seal(): Collected;
}

export function turnCollector(
  identity: Pick<Turn, "sessionId" | "turnId" | "attempt" | "signal">,
  clock: Clock,
): TurnCollector {
  const messages: CollectedMessage[] = [];
  const checkpoints: CollectedCheckpoint[] = [];
  let context: CollectedContext | undefined;
  let sealed = false;
  const open = () => {
    if (sealed) throw new InvalidArgumentError("the turn is over: its work has ended");
  };
  return {
    turn: {
      ...identity,
      message(role, content, options) {
        open();
        messages.push(collectMessage({ ...options, role, content }, "message", clock));
      },
      context(value, options) {
        open();
        context = collectContext({ ...options, value }, "context");
      },
      checkpoint(data, options) {
        open();
        checkpoints.push(collectCheckpoint({ ...options, data }, "checkpoint"));
      },
    },
    seal() {
      sealed = true;
      return { messages, checkpoints, ...(context && { context }) };
    },
  };
}

const MESSAGE_FIELDS = ["role", "content", "metadata", "messageId", "timestamp"] as const;

export function collectMessage(value: NewMessage, name: string, clock: Clock): CollectedMessage {
  const { role, content, metadata, messageId, timestamp } = knownFields(value, name, MESSAGE_FIELDS);
  return {
    role: identifier(role, `${name}.role`),
    content: snapshot(messageContent(content, `${name}.content`)) as MessageContent,
    metadata: ownMetadata(metadata, `${name}.metadata`),
    ...(messageId !== undefined && { messageId: identifier(messageId, `${name}.messageId`) }),
    timestamp: new Date(timestamp === undefined ? clock.now() : instant(timestamp, `${name}.timestamp`)),
  };
}

export function collectContext(value: TurnContext, name: string): CollectedContext {
  const {
    value: context,
    expectedVersion,
    metadata,
  } = knownFields(value, name, ["value", "expectedVersion", "metadata"]);
  return {
    value: snapshot(context),
    ...(expectedVersion !== undefined && {
      expectedVersion: integer(expectedVersion, `${name}.expectedVersion`, { min: 0 }),
    }),
    metadata: ownMetadata(metadata, `${name}.metadata`),
  };
}

const CHECKPOINT_FIELDS = [
  "data",
  "threadId",
  "checkpointId",
  "namespace",
  "parentId",
  "needsParent",
  "metadata",
] as const;

export function collectCheckpoint(value: TurnCheckpoint, name: string): CollectedCheckpoint {
  const { data, threadId, checkpointId, namespace, parentId, needsParent, metadata } = knownFields(
    value,
    name,
    CHECKPOINT_FIELDS,
  );
  return {
    data: snapshot(data),
    ...(threadId !== undefined && { threadId: identifier(threadId, `${name}.threadId`) }),
    ...(checkpointId !== undefined && { checkpointId: identifier(checkpointId, `${name}.checkpointId`) }),
    namespace: namespace === undefined ? "" : identifierOrEmpty(namespace, `${name}.namespace`),
    ...(parentId !== undefined && { parentId: identifier(parentId, `${name}.parentId`) }),
    needsParent: flag(needsParent, `${name}.needsParent`),
    metadata: ownMetadata(metadata, `${name}.metadata`),
  };
}
