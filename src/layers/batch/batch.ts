/** The layer `batch`: appends to one conversation, and what is counted of one session, that come at about the same moment reach the store together. */
import { randomUUID } from "node:crypto";
import type {
  AddMessageOptions,
  AddMessagesOptions,
  Message,
  MessageContent,
  MessageRole,
  NewMessage,
} from "../../contract/conversation-storage.js";
import type { OperationName } from "../../contract/operations.js";
import type { Session, SessionUpdate, UpdateSessionOptions } from "../../contract/session-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { boolean, integer, knownFields, knownOptions } from "../../domain/arguments.js";
import { signalOption, timeoutOption } from "../../domain/call-options.js";
import { identifier } from "../../domain/identifiers.js";
import { fencingToken } from "../../domain/leases.js";
import { listOf, MAX_MESSAGES } from "../../domain/lists.js";
import { parseUpdate } from "../../domain/session-arguments.js";
import { CallsUnderWay } from "../calls-under-way.js";
import { keptArguments } from "../kept-arguments.js";
import { type Layer, type LayerReading, layer } from "../layer.js";
import { Append, CountedUpdate } from "./append.js";
import { type CounterCounts, counterLane } from "./counter-lane.js";
import { countsNothing, countsOf } from "./counts.js";
import { encodedMessage } from "./encoded-message.js";
import type { Lane } from "./lane.js";
import { type BatchBounds, type LaneCounts, sessionLane } from "./session-lane.js";
import { Waiting } from "./waiting.js";

export interface BatchOptions {
  /** Most messages of a batch. Default 200. */
  readonly maxMessages?: number | undefined;
  /** Most encoded bytes of a batch, about; one append may be larger. Default 1,048,576 (1 MiB). */
  readonly maxBytes?: number | undefined;
  /**
   * How long an append waits for others when no batch of its conversation is at the store, in milliseconds. Default 0: until the event
   * loop has had a turn. Behind a batch that is at the store, those that come meanwhile gather without that.
   */
  readonly delayMs?: number | undefined;
  /**
   * Also gathers updates that only count (`incrementRequests`, `addProcessingTime`, `markError`) and come at about the same moment: their sum
   * is one update of the session. Each caller gets the session as it is then, and `version` moves once for all of them, which is less than
   * S4 promises. Default `false`.
   */
  readonly counters?: boolean | undefined;
  /** Most messages that wait, of all conversations; one more is refused. Default 10,000. */
  readonly maxWaiting?: number | undefined;
  /** Most encoded bytes that wait, about. Default 67,108,864 (64 MiB). */
  readonly maxWaitingBytes?: number | undefined;
}

/** What the layer has counted, and what waits now. */
export interface BatchStats {
  readonly batches: number;
  /** Messages that were stored in them. */
  readonly messages: number;
  /** Messages of a batch on average; 0 before the first. */
  readonly messagesPerBatch: number;
  /** Updates that only count, as the callers made them, and as they reached the store. */
  readonly countedUpdates: number;
  readonly counterUpdates: number;
  readonly waiting: number;
  readonly waitingBytes: number;
}

export interface BatchLayer extends Layer {
  /** Sends what has gathered now, and waits until all that was under way has settled. */
  flush(): Promise<void>;
  stats(): BatchStats;
}

const FIELDS = ["maxMessages", "maxBytes", "delayMs", "counters", "maxWaiting", "maxWaitingBytes"] as const;

/**
 * Gathers appends, for each conversation by itself. A caller's promise settles when its batch is committed: nothing is acknowledged
 * before it is stored.
 *
 * - Messages of one conversation are stored in the order of the calls. A call is never divided (C6), and appends under another lease
 *   go in another batch.
 * - When a batch is refused because of what is in it, its appends are tried one by one, so that each caller hears his own fault.
 * - An append that would be one more than may wait is refused with `CallRefusedError` (`queue-full`, not applied).
 * @throws InvalidArgumentError for a bad option
 */
export function batch(options: BatchOptions = {}): BatchLayer {
  const given = knownFields(options, "options", FIELDS);
  const bounds: BatchBounds = {
    maxMessages: integer(given.maxMessages ?? 200, "maxMessages", { min: 1, max: MAX_MESSAGES }),
    maxBytes: integer(given.maxBytes ?? 1024 * 1024, "maxBytes", { min: 1 }),
    delayMs: integer(given.delayMs ?? 0, "delayMs", { min: 0, max: 60_000 }),
  };
  const waiting = new Waiting(
    integer(given.maxWaiting ?? 10_000, "maxWaiting", { min: 1 }),
    integer(given.maxWaitingBytes ?? 64 * 1024 * 1024, "maxWaitingBytes", { min: 1 }),
  );
  const counts: LaneCounts = { batches: 0, messages: 0 };
  const counters = given.counters !== undefined && boolean(given.counters, "counters");
  const counted: CounterCounts = { updates: 0, gathered: 0 };
  const stats = (): BatchStats => ({
    ...counts,
    messagesPerBatch: counts.batches === 0 ? 0 : counts.messages / counts.batches,
    countedUpdates: counted.gathered,
    counterUpdates: counted.updates,
    waiting: waiting.messages,
    waitingBytes: waiting.bytes,
  });
  const self = layer({ kind: "batch", readings: () => readingsOf(stats()) }, (backend) => {
    const calls = new CallsUnderWay(backend.kind);
    const around = (inner: StorageBackend): StorageBackend =>
      batched(
        inner,
        inner === backend ? calls : calls.view(),
        { bounds, counts, counted: counters ? counted : null, waiting },
        (name) => {
          const view = inner.tenant(name);
          return view === inner ? undefined : around(view);
        },
      );
    return around(backend);
  });
  return Object.assign(self, { flush: () => waiting.flush(), stats });
}

interface BatchState {
  readonly bounds: BatchBounds;
  readonly counts: LaneCounts;
  /** `null`: updates go to the store as they are. */
  readonly counted: CounterCounts | null;
  readonly waiting: Waiting;
}

function batched(
  inner: StorageBackend,
  calls: CallsUnderWay,
  { bounds, counts, counted, waiting }: BatchState,
  tenantView: (name: string) => StorageBackend | undefined,
): StorageBackend {
  const lanes = new Map<string, Lane<Append>>();
  const laneOf = (sessionId: string): Lane<Append> => {
    const known = lanes.get(sessionId);
    if (known !== undefined) return known;
    const lane: Lane<Append> = sessionLane(inner, sessionId, bounds, counts, () => {
      if (lanes.get(sessionId) === lane) lanes.delete(sessionId);
      waiting.end(lane);
    });
    lanes.set(sessionId, lane);
    return lane;
  };

  const append = (
    operation: OperationName,
    sessionId: string,
    messages: readonly NewMessage[],
    names: (index: number) => string,
    options: AddMessagesOptions,
  ): Promise<Message[]> => {
    // All that can be wrong with it is told now: a batch never fails for what one caller gave.
    const bytes = messages.reduce((sum, message, i) => {
      const { content, metadata } = encodedMessage(message, names(i));
      return sum + content.length + metadata.length + 100;
    }, 0);
    fencingToken(options.lease, [{ kind: "session", id: sessionId }]);
    waiting.assertRoom(messages.length, bytes);
    const [kept, lease] = keptArguments([messages, options.lease]) as [NewMessage[], AddMessagesOptions["lease"]];
    let lane: Lane<Append> | undefined;
    const request = {
      tenant: inner.tenantName,
      operation,
      // An id makes an append that is sent again, one by one, harmless.
      messages: kept.map((message) => ({ ...message, messageId: message.messageId ?? randomUUID() })),
      bytes,
      lease,
      timeoutMs: timeoutOption(options.timeoutMs) ?? inner.timeoutMs,
      signal: signalOption(options.signal),
    };
    const added = new Append(request, waiting.deadlines, (each) => {
      waiting.leave(each);
      lane?.leave(each);
    });
    // One whose caller has given up before it began waits for nothing.
    if (!added.isSettled) {
      lane = laneOf(sessionId);
      waiting.enter(added, lane);
      lane.add(added);
    }
    return added.stored;
  };

  const counterLanes = new Map<string, Lane<CountedUpdate>>();
  const counterLaneOf = (sessionId: string, into: CounterCounts): Lane<CountedUpdate> => {
    const known = counterLanes.get(sessionId);
    if (known !== undefined) return known;
    const lane: Lane<CountedUpdate> = counterLane(inner, sessionId, bounds.delayMs, into, () => {
      if (counterLanes.get(sessionId) === lane) counterLanes.delete(sessionId);
      waiting.end(lane);
    });
    counterLanes.set(sessionId, lane);
    return lane;
  };

  const updateSession = async (
    sessionId: string,
    update: SessionUpdate,
    options?: UpdateSessionOptions,
  ): Promise<Session> => {
    if (counted === null) return inner.updateSession(sessionId, update, options);
    const id = identifier(sessionId, "sessionId");
    const known = knownOptions(options, ["lease"]);
    const counts = countsOf(parseUpdate(update));
    fencingToken(known.lease, [{ kind: "session", id }]);
    if (counts === undefined || countsNothing(counts)) return inner.updateSession(id, update, options);
    waiting.assertRoom(1, 0);
    const [lease] = keptArguments([known.lease]) as [UpdateSessionOptions["lease"]];
    let lane: Lane<CountedUpdate> | undefined;
    const request = {
      tenant: inner.tenantName,
      operation: "updateSession",
      counts,
      lease,
      timeoutMs: timeoutOption(known.timeoutMs) ?? inner.timeoutMs,
      signal: signalOption(known.signal),
    } as const;
    const added = new CountedUpdate(request, waiting.deadlines, (each) => {
      waiting.leaveUpdate(each);
      lane?.leave(each);
    });
    if (!added.isSettled) {
      lane = counterLaneOf(id, counted);
      waiting.enterUpdate(added, lane);
      lane.add(added);
    }
    return added.stored;
  };

  const close = (): Promise<void> => {
    for (const lane of [...lanes.values(), ...counterLanes.values()]) lane.flush();
    return calls.close(() => inner.close());
  };
  const verbs = {
    ...passedOn(inner),
    updateSession,
    addConversationMessage: async (
      sessionId: string,
      role: MessageRole,
      content: MessageContent,
      options?: AddMessageOptions,
    ): Promise<Message> => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["metadata", "messageId", "timestamp", "lease"]);
      const { metadata, messageId, timestamp, ...rest } = known;
      const message = { role, content, metadata, messageId, timestamp };
      const [stored] = await append("addConversationMessage", id, [message], () => "message", rest);
      return stored as Message;
    },
    addConversationMessages: async (
      sessionId: string,
      messages: readonly NewMessage[],
      options?: AddMessagesOptions,
    ): Promise<Message[]> => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const given = listOf(messages, "messages", MAX_MESSAGES) as readonly NewMessage[];
      // Nothing to gather, and still something to refuse.
      if (given.length === 0) return inner.addConversationMessages(id, given, options);
      return append("addConversationMessages", id, given, (i) => `messages[${i}]`, known);
    },
  };
  const self: StorageBackend = {
    kind: inner.kind,
    tenantName: inner.tenantName,
    timeoutMs: inner.timeoutMs,
    ...calls.around(verbs),
    healthCheck: inner.healthCheck.bind(inner),
    close,
    tenant: (name) => tenantView(identifier(name, "tenant")) ?? self,
    [Symbol.asyncDispose]: close,
  };
  return self;
}

type PassedOn = Omit<
  StorageBackend,
  | "updateSession"
  | "addConversationMessage"
  | "addConversationMessages"
  | "kind"
  | "tenantName"
  | "timeoutMs"
  | "healthCheck"
  | "close"
  | "tenant"
  | typeof Symbol.asyncDispose
>;

/** The verbs that go to the store as they are, each written out. */
function passedOn(inner: StorageBackend): PassedOn {
  return {
    initialize: inner.initialize.bind(inner),
    getMetrics: inner.getMetrics.bind(inner),
    exportRecords: inner.exportRecords.bind(inner),
    importRecords: inner.importRecords.bind(inner),
    createSession: inner.createSession.bind(inner),
    getSession: inner.getSession.bind(inner),
    endSession: inner.endSession.bind(inner),
    listSessions: inner.listSessions.bind(inner),
    deleteSession: inner.deleteSession.bind(inner),
    batchCreateSessions: inner.batchCreateSessions.bind(inner),
    batchGetSessions: inner.batchGetSessions.bind(inner),
    cleanupExpiredSessions: inner.cleanupExpiredSessions.bind(inner),
    getConversationHistory: inner.getConversationHistory.bind(inner),
    deleteConversationMessages: inner.deleteConversationMessages.bind(inner),
    storeCheckpoint: inner.storeCheckpoint.bind(inner),
    getCheckpoint: inner.getCheckpoint.bind(inner),
    listCheckpoints: inner.listCheckpoints.bind(inner),
    putWrites: inner.putWrites.bind(inner),
    getWrites: inner.getWrites.bind(inner),
    listThreads: inner.listThreads.bind(inner),
    copyThread: inner.copyThread.bind(inner),
    deleteThread: inner.deleteThread.bind(inner),
    deleteCheckpoints: inner.deleteCheckpoints.bind(inner),
    pruneCheckpoints: inner.pruneCheckpoints.bind(inner),
    storeTaskContext: inner.storeTaskContext.bind(inner),
    getTaskContext: inner.getTaskContext.bind(inner),
    listTaskContextVersions: inner.listTaskContextVersions.bind(inner),
    shareTaskContext: inner.shareTaskContext.bind(inner),
    putItem: inner.putItem.bind(inner),
    updateItem: inner.updateItem.bind(inner),
    getItem: inner.getItem.bind(inner),
    deleteItem: inner.deleteItem.bind(inner),
    batchItems: inner.batchItems.bind(inner),
    searchItems: inner.searchItems.bind(inner),
    countItems: inner.countItems.bind(inner),
    listNamespaces: inner.listNamespaces.bind(inner),
    deleteItems: inner.deleteItems.bind(inner),
    acquireLease: inner.acquireLease.bind(inner),
    renewLease: inner.renewLease.bind(inner),
    releaseLease: inner.releaseLease.bind(inner),
  };
}

function readingsOf({ batches, messages, waiting }: BatchStats): readonly LayerReading[] {
  const reading = (
    name: string,
    type: "counter" | "gauge",
    unit: string,
    description: string,
    value: number,
  ): LayerReading => ({
    name: `waystone.batch.${name}`,
    unit,
    type,
    description,
    value,
  });
  return [
    reading("batches", "counter", "{batch}", "Batches of appends that were stored.", batches),
    reading("messages", "counter", "{message}", "Messages that were stored in them.", messages),
    reading("waiting", "gauge", "{message}", "Messages that wait to be stored.", waiting),
  ];
}
