/** Conversations of the SQLite backend (C1-C6). */
import { isLong } from "../../domain/codec/long-text.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { ConversationDriver, HistoryWindow, NewStoredMessage } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import type { Connection } from "./connection/connection.js";
import { inSteps } from "./connection/snapshots.js";
import { batchOfGap, discardMessages, newBatch } from "./garbage.js";
import { assertFence } from "./lease-rows.js";
import { type CutText, longTexts } from "./long-text.js";
import { dropText, storeTexts, type TextInPieces } from "./long-text-rows.js";
import { partsInSight, type SeqRange } from "./message-gap.js";
import { isLocated, locatingId } from "./message-ids.js";
import { rememberRoles, selectSeqsOfRole } from "./message-roles.js";
import {
  countSome,
  deleteRange,
  findMessage,
  firstSeq,
  freeMessageId,
  insertMessage,
  selectBySeqs,
  selectWindow,
} from "./message-rows.js";
import { Portion } from "./portion.js";
import { existingHead, liveHead, type SessionHead, setCounts } from "./session-rows.js";
import type { OpenFile } from "./store.js";

/** Messages read in one step; longer histories are read in several. */
const READ_AT_ONCE = 200;

/** Short messages added between two looks at the time. */
const WRITTEN_AT_ONCE = 50;

/** Characters up to which a single message without an id of the caller's goes the short way. */
const ALONE_CHARACTERS = 64 * 1024;

/** Most messages that are deleted in one short step, and in a piece of it: a message may be long. */
const DELETED_AT_ONCE = 200;
const DELETED_IN_PIECE = 20;

export function conversationVerbs(file: () => OpenFile): ConversationDriver {
  return {
    addMessages(call, sessionId, messages, fence) {
      const characters = messages.reduce((sum, { content, metadata }) => sum + content.length + metadata.length, 0);
      const [first] = messages;
      if (messages.length === 1 && first?.keyed === false && characters <= ALONE_CHARACTERS) {
        // The commonest write has the shortest way.
        return file().write(call, (tx, tenant) => {
          const appending = beginAppending(tx, tenant, sessionId, fence, file().now());
          const stored = [appendMessage(tx, appending, first)];
          endAppending(tx, appending);
          return stored;
        });
      }
      const add = (long: ReadonlyMap<NewStoredMessage, CutText>): Promise<StoredMessage[]> =>
        file().writeSized(call, { rows: messages.length, characters }, function* (tx, tenant) {
          const appending = beginAppending(tx, tenant, sessionId, fence, file().now());
          const texts = yield* storeTexts(tx, long);
          const stored: StoredMessage[] = [];
          const portion = new Portion(WRITTEN_AT_ONCE);
          for (const message of messages) {
            const added = yield* addMessage(tx, appending, message, texts.get(message));
            stored.push(added);
            // One that was there already is as long as it was.
            if (portion.isFull(added.content.length + added.metadata.length)) yield;
          }
          endAppending(tx, appending);
          yield;
          return stored;
        });
      if (!messages.some(({ content }) => isLong(content))) return add(new Map());
      return longTexts(call, messages, ({ content, metadata }) => [content, metadata]).then(add);
    },

    getHistory(call, sessionId, window) {
      if (window.roles !== null) return readRoles(file(), call, sessionId, window, window.roles);
      if (window.limit > READ_AT_ONCE) return readLong(file(), call, sessionId, window);
      return file().readInSteps(call, function* (db, tenant) {
        const session = liveHead(db, tenant, sessionId, file().now());
        return session === undefined ? [] : yield* selectWindow(db, session, window);
      });
    },

    deleteMessages: (call, sessionId, range, fence) => deleteMessages(file(), call, sessionId, range, fence),
  };
}

/** An append on its way. */
interface Appending {
  readonly session: SessionHead;
  readonly now: number;
  lastSeq: number;
  messageCount: number;
}

/** @throws SessionNotFoundError, FencedError */
function beginAppending(
  tx: Connection,
  tenant: number,
  sessionId: string,
  fence: FencingToken | null,
  now: number,
): Appending {
  const session = existingHead(tx, tenant, sessionId, now);
  assertFence(tx, tenant, fence, now);
  return { session, now, lastSeq: session.lastSeq, messageCount: session.messageCount };
}

/** The message that is stored: this one, or the one that has its id already (C4). */
function* addMessage(
  tx: Connection,
  appending: Appending,
  message: NewStoredMessage,
  long?: TextInPieces | undefined,
): Generator<void, StoredMessage, void> {
  const { session } = appending;
  const { messageId } = message;
  if (message.keyed) {
    const earlier = yield* findMessage(tx, session, messageId);
    if (earlier !== undefined) {
      if (long !== undefined) dropText(tx, long.long);
      return earlier;
    }
    freeMessageId(tx, session, messageId);
  }
  return appendMessage(tx, appending, message, long);
}

function appendMessage(
  tx: Connection,
  appending: Appending,
  message: NewStoredMessage,
  long?: TextInPieces | undefined,
): StoredMessage {
  const { session, now } = appending;
  const { keyed, messageId, role, content, metadata } = message;
  const seq = appending.lastSeq + 1;
  appending.lastSeq = seq;
  appending.messageCount += 1;
  const id = keyed ? messageId : locatingId(seq, messageId);
  const stored = { seq, messageId: id, role, content, metadata, timestamp: message.timestamp ?? now };
  // An id that was changed here says its seq.
  insertMessage(tx, session.id, stored, id !== messageId || isLocated(stored), long);
  return stored;
}

function endAppending(tx: Connection, { session, now, lastSeq, messageCount }: Appending): void {
  if (lastSeq === session.lastSeq) return;
  rememberRoles(tx, session.id, session.lastSeq, lastSeq);
  setCounts(tx, session, { messageCount, lastSeq }, now);
}

/** Reads from the window's near end on, a few hundred messages a step. */
function readLong(file: OpenFile, call: Call, sessionId: string, window: HistoryWindow): Promise<StoredMessage[]> {
  return file.scan(call, async (read, tenant) => {
    const session = await read((db) => liveHead(db, tenant, sessionId, file.now()));
    if (session === undefined) return [];
    const parts: StoredMessage[][] = [];
    let { after, before } = window;
    for (let left = window.limit; left > 0; ) {
      const limit = Math.min(left, READ_AT_ONCE);
      const part = await inSteps(read, (db) => selectWindow(db, session, { after, before, limit }));
      parts.push(part);
      if (part.length < limit) break;
      left -= part.length;
      if (after === null) before = part[0]?.seq ?? null;
      else after = part.at(-1)?.seq ?? null;
    }
    return (window.after === null ? parts.reverse() : parts).flat();
  });
}

/** The index of roles says which messages they are; only those are read (C3). */
async function readRoles(
  file: OpenFile,
  call: Call,
  sessionId: string,
  window: HistoryWindow,
  roles: readonly string[],
): Promise<StoredMessage[]> {
  const chooseSeqs = (found: readonly number[]): number[] => {
    const seqs = [...found].sort((a, b) => a - b);
    return window.after === null ? seqs.slice(Math.max(0, seqs.length - window.limit)) : seqs.slice(0, window.limit);
  };
  if (window.limit * roles.length <= READ_AT_ONCE) {
    return file.readInSteps(call, function* (db, tenant) {
      const session = liveHead(db, tenant, sessionId, file.now());
      if (session === undefined) return [];
      const seqs = chooseSeqs(roles.flatMap((role) => selectSeqsOfRole(db, session, role, window)));
      return yield* selectBySeqs(db, session.id, seqs);
    });
  }
  return file.scan(call, async (read, tenant) => {
    const session = await read((db) => liveHead(db, tenant, sessionId, file.now()));
    if (session === undefined) return [];
    let seqs: number[] = [];
    for (const role of roles) {
      seqs = chooseSeqs([...seqs, ...(await read((db) => selectSeqsOfRole(db, session, role, window)))]);
    }
    const messages: StoredMessage[] = [];
    for (let i = 0; i < seqs.length; i += READ_AT_ONCE) {
      const some = seqs.slice(i, i + READ_AT_ONCE);
      messages.push(...(await inSteps(read, (db) => selectBySeqs(db, session.id, some))));
    }
    return messages;
  });
}

/** Few messages are deleted at once; of many, a gap takes them out of sight, and they are swept before the call ends. */
async function deleteMessages(
  file: OpenFile,
  call: Call,
  sessionId: string,
  range: Parameters<ConversationDriver["deleteMessages"]>[2],
  fence: FencingToken | null,
): Promise<number> {
  const few = await file.writeSized(call, { rows: 1, characters: 0 }, function* (tx, tenant) {
    const now = file.now();
    const session = existingHead(tx, tenant, sessionId, now);
    assertFence(tx, tenant, fence, now);
    const parts = rangeInSight(tx, session, range);
    if (parts.reduce((sum, { after, before }) => sum + before - after - 1, 0) > DELETED_AT_ONCE) return undefined;
    let count = 0;
    for (const { after, before } of parts) {
      for (let from = after; from < before - 1; from += DELETED_IN_PIECE) {
        if (from > after) yield;
        count += deleteRange(tx, session.id, from, Math.min(before, from + DELETED_IN_PIECE + 1));
      }
    }
    const messageCount = session.messageCount - count;
    if (count > 0) setCounts(tx, session, { messageCount, lastSeq: session.lastSeq }, now);
    return count;
  });
  if (few !== undefined) {
    if (few > 0) file.maintenance.wake();
    return few;
  }
  for (;;) {
    const { count, batch } = await file.writeInSlices(call, (tx, tenant) =>
      openGap(tx, tenant, sessionId, range, fence, file.now()),
    );
    if (batch !== null) await file.maintenance.sweep(call, batch);
    if (count === undefined) continue;
    if (count > 0) await file.maintenance.reclaim(call);
    return count;
  }
}

/** Without a count: there is a gap already, whose batch is to be swept first. */
function* openGap(
  tx: Connection,
  tenant: number,
  sessionId: string,
  range: Parameters<ConversationDriver["deleteMessages"]>[2],
  fence: FencingToken | null,
  now: number,
): Generator<void, { readonly count: number | undefined; readonly batch: number | null }, void> {
  const session = existingHead(tx, tenant, sessionId, now);
  assertFence(tx, tenant, fence, now);
  if (session.gapAfter !== null) {
    const swept = batchOfGap(tx, session.id);
    if (swept !== undefined) return { count: undefined, batch: swept };
  }
  const [part] = rangeInSight(tx, session, range);
  if (part === undefined) return { count: 0, batch: null };
  let count = 0;
  for (let from: number | undefined = part.after; from !== undefined; ) {
    const some = countSome(tx, session.id, { after: from, before: part.before });
    count += some.count;
    from = some.last;
    yield;
  }
  if (count === 0) return { count, batch: null };
  const batch = newBatch(tx);
  discardMessages(tx, batch, session.id, { gapAfter: part.after, gapBefore: part.before });
  setCounts(tx, session, { messageCount: session.messageCount - count, lastSeq: session.lastSeq }, now);
  return { count, batch };
}

/** What of a range may hold messages: bounded by the oldest and the newest. */
function rangeInSight(
  db: Connection,
  session: SessionHead,
  { after, before }: { readonly after: number | null; readonly before: number | null },
): SeqRange[] {
  const end = Math.min(before ?? Number.POSITIVE_INFINITY, session.lastSeq + 1);
  const first = firstSeq(db, session.id, after ?? 0);
  return first === undefined ? [] : partsInSight(session, { after: first - 1, before: end });
}
