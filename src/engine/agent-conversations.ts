/** Conversations between agents: each set of participants has one of its own, kept beside the session that it belongs to. */
import type { CallOptions, LeaseHeld, Page, PageQuery } from "../contract/call.js";
import type {
  HistoryOptions,
  Message,
  MessageContent,
  MessageOptions,
  MessageRole,
} from "../contract/conversation-storage.js";
import {
  ConflictError,
  CorruptionError,
  InvalidArgumentError,
  quoteIdentifier,
  SessionNotFoundError,
} from "../contract/errors.js";
import type { JsonValue, MetadataInput } from "../contract/json.js";
import type { Session } from "../contract/session-storage.js";
import { knownFields, knownOptions } from "../domain/arguments.js";
import { compareCodePoints, identifier } from "../domain/identifiers.js";
import { flag, list } from "./checks.js";
import { type CompactOptions, type CompactResult, compact } from "./compaction.js";
import { derivedId, type IdPart } from "./derived-ids.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { type FollowOptions, follow } from "./follow.js";
import { ownMetadata } from "./own-metadata.js";
import { type ConversationWindow, readWindow, type WindowOptions } from "./window.js";

/** Who takes part. Two participants are the same when both id and role are: user `1` is not agent `1`. */
export interface Participant {
  readonly id: string;
  readonly role?: string | undefined;
}

export interface BetweenOptions extends CallOptions {
  /** What the conversation is about; each kind is kept apart. Default `agent-to-agent`. */
  readonly kind?: string | undefined;
  /** The order of the participants counts, and only the first one sends. Default `false`: it is one conversation in any order. */
  readonly directed?: boolean | undefined;
  /** For the conversation, when this call creates it. */
  readonly metadata?: MetadataInput | undefined;
}

/** What tells one conversation from another. */
export interface ConversationIdentity {
  /** Id of the session that holds the messages; it can be used with every verb. */
  readonly sessionId: string;
  readonly parentId: string;
  readonly kind: string;
  readonly directed: boolean;
  /** In the order given if directed, else ordered. */
  readonly participants: readonly Participant[];
}

export interface SendOptions extends MessageOptions, CallOptions, LeaseHeld {
  /** Id of the sender, or the participant when its id alone is not enough. */
  readonly from: string | Participant;
  /** The one it is for. Default: all the others. */
  readonly to?: string | Participant | undefined;
  /** Default `assistant`. */
  readonly role?: MessageRole | undefined;
}

/** A conversation, ready to be used. */
export interface AgentConversation extends ConversationIdentity {
  /** Appends a message with its sender and recipient. @throws InvalidArgumentError for one who takes no part */
  send(content: MessageContent, options: SendOptions): Promise<Message>;
  history(options?: HistoryOptions): Promise<Message[]>;
  window(options?: WindowOptions): Promise<ConversationWindow>;
  follow(options?: FollowOptions): AsyncGenerator<Message, void, void>;
  compact(options: CompactOptions): Promise<CompactResult>;
}

/** Metadata keys of the sessions that hold these conversations. */
export const PARENT_KEY = "waystone.parent";
const CONVERSATION_KEY = "waystone.conversation";

/** Metadata keys of their messages. */
const SENDER_KEY = "waystone.sender";
const RECIPIENT_KEY = "waystone.recipient";

const MAX_PARTICIPANTS = 100;

/**
 * The conversation of these participants, created when it is not there yet.
 * @throws SessionNotFoundError if the session is not there, InvalidArgumentError
 */
export async function between(
  environment: EngineEnvironment,
  parentId: string,
  participants: readonly Participant[],
  options: BetweenOptions = {},
): Promise<AgentConversation> {
  const { storage } = environment;
  const known = knownOptions(options, ["kind", "directed", "metadata"]);
  const identity = conversationIdentity(parentId, participants, known);
  const metadata = { ...ownMetadata(known.metadata, "metadata"), ...identityMetadata(identity) };
  const call = callOptions(known);
  const [child, parent] = await storage.batchGetSessions([identity.sessionId, parentId], call);
  if (parent === undefined) throw new SessionNotFoundError(parentId);
  if (child !== undefined) return handle(environment, sameIdentity(child, identity));
  const { userId, ttlMs } = parent;
  const created = await storage.createSession(identity.sessionId, userId, {
    metadata,
    ttlMs,
    ifExists: "return",
    ...call,
  });
  // The parent may have been deleted in the meantime: what hangs on nothing would never be deleted.
  if ((await storage.getSession(parentId, call)) === undefined) {
    await storage.deleteSession(identity.sessionId, call);
    throw new SessionNotFoundError(parentId);
  }
  return handle(environment, sameIdentity(created, identity));
}

/** One page of a session's conversations, newest first. */
export async function listBetween(
  environment: EngineEnvironment,
  parentId: string,
  query: PageQuery = {},
): Promise<Page<AgentConversation>> {
  identifier(parentId, "sessionId");
  const { limit, cursor, ...call } = knownOptions(query, ["limit", "cursor"], "query");
  const page = await environment.storage.listSessions({ metadata: { [PARENT_KEY]: parentId }, limit, cursor, ...call });
  return {
    items: page.items.map((session) => handle(environment, identityOf(session))),
    ...(page.nextCursor !== undefined && { nextCursor: page.nextCursor }),
  };
}

/** Who sent a message of such a conversation. */
export function senderOf(message: Message): Participant | undefined {
  return message.metadata[SENDER_KEY] as Participant | undefined;
}

/** The one a message of such a conversation is for; `undefined` if it is for all. */
export function recipientOf(message: Message): Participant | undefined {
  return message.metadata[RECIPIENT_KEY] as Participant | undefined;
}

function conversationIdentity(
  parentId: string,
  participants: readonly Participant[],
  options: BetweenOptions,
): ConversationIdentity {
  identifier(parentId, "sessionId");
  const kind = options.kind === undefined ? "agent-to-agent" : identifier(options.kind, "kind");
  const directed = flag(options.directed, "directed");
  const parsed = list(participants, "participants", participant);
  if (parsed.length < 2 || parsed.length > MAX_PARTICIPANTS) {
    throw new InvalidArgumentError(`participants must be 2 to ${MAX_PARTICIPANTS}`);
  }
  const keyed = parsed.map((each) => ({ each, key: derivedId("", each.role, each.id) }));
  if (new Set(keyed.map(({ key }) => key)).size !== keyed.length) {
    throw new InvalidArgumentError("participants must be different ones");
  }
  if (!directed) keyed.sort((a, b) => compareCodePoints(a.key, b.key));
  const ordered = keyed.map(({ each }) => each);
  const parts: IdPart[] = ordered.flatMap(({ id, role }) => [role, id]);
  const sessionId = derivedId("waystone.between", parentId, kind, directed ? "directed" : "any", ...parts);
  return { sessionId, parentId, kind, directed, participants: ordered };
}

function participant(value: unknown, name: string): Participant {
  const { id, role } = knownFields(value as Participant, name, ["id", "role"]);
  const known = { id: identifier(id, `${name}.id`) };
  return role === undefined ? known : { ...known, role: identifier(role, `${name}.role`) };
}

function identityMetadata({ parentId, kind, directed, participants }: ConversationIdentity): MetadataInput {
  return { [PARENT_KEY]: parentId, [CONVERSATION_KEY]: { kind, directed, participants } as unknown as JsonValue };
}

/** What a session of such a conversation says that it is. */
function identityOf(session: Session): ConversationIdentity {
  const parentId = session.metadata[PARENT_KEY];
  const stored = session.metadata[CONVERSATION_KEY] as Partial<ConversationIdentity> | null | undefined;
  try {
    return conversationIdentity(parentId as string, stored?.participants as readonly Participant[], {
      kind: stored?.kind,
      directed: stored?.directed,
    });
  } catch (cause) {
    throw new CorruptionError(`session ${quoteIdentifier(session.sessionId)} does not tell its participants`, {
      cause,
    });
  }
}

/** @throws ConflictError when a session that somebody else made has the derived id */
function sameIdentity(session: Session, identity: ConversationIdentity): ConversationIdentity {
  if (session.metadata[PARENT_KEY] !== identity.parentId || identityOf(session).sessionId !== identity.sessionId) {
    throw new ConflictError(
      `session ${quoteIdentifier(identity.sessionId)} is not a conversation of these participants`,
    );
  }
  return identity;
}

function handle(environment: EngineEnvironment, identity: ConversationIdentity): AgentConversation {
  const { sessionId } = identity;
  return {
    ...identity,
    send: async (content, options) => {
      const known = knownOptions(options, ["from", "to", "role", "metadata", "messageId", "timestamp", "lease"]);
      const { from, to, role, metadata, ...rest } = known;
      const sender = member(identity, from, "from");
      if (identity.directed && sender !== identity.participants[0]) {
        throw new InvalidArgumentError("from must be the first participant: the conversation is directed");
      }
      const recipient = to === undefined ? undefined : member(identity, to, "to");
      if (recipient === sender) throw new InvalidArgumentError("to must be another participant than from");
      const parties = { [SENDER_KEY]: asJson(sender), [RECIPIENT_KEY]: recipient && asJson(recipient) };
      return environment.storage.addConversationMessage(sessionId, role ?? "assistant", content, {
        ...rest,
        metadata: { ...ownMetadata(metadata, "metadata"), ...parties },
      });
    },
    history: (options) => environment.storage.getConversationHistory(sessionId, options),
    window: (options) => readWindow(environment, sessionId, options),
    follow: (options) => follow(environment, sessionId, options),
    compact: (options) => compact(environment, sessionId, options),
  };
}

/** The participant that is meant; an id alone must mean one only. */
function member({ participants }: ConversationIdentity, who: unknown, name: string): Participant {
  const wanted = typeof who === "string" ? { id: who } : participant(who, name);
  const found = participants.filter(
    ({ id, role }) => id === wanted.id && (typeof who === "string" || role === wanted.role),
  );
  const [only] = found;
  if (only === undefined) throw new InvalidArgumentError(`${name} must be one of the participants`);
  if (found.length > 1)
    throw new InvalidArgumentError(`${name} must say the role: the id is that of several participants`);
  return only;
}

function asJson({ id, role }: Participant): JsonValue {
  return role === undefined ? { id } : { id, role };
}
