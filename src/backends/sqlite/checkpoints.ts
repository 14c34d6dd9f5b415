/** Checkpoints and writes of the SQLite backend (K1-K3, K5, K8). */

import { assertExpectedHead } from "../../domain/checkpoints.js";
import { isLong } from "../../domain/codec/long-text.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type {
  CheckpointDriver,
  CheckpointListing,
  NewStoredCheckpoint,
  WantedCheckpoint,
} from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../domain/driver/stored.js";
import { type SplitState, splitInSteps } from "../../domain/segments/split.js";
import { EACH_STEP, mapInSlices, runAtOnce, Slices } from "../../domain/slices.js";
import {
  allWithParts,
  type CheckpointInPage,
  type FoundCheckpoint,
  findCheckpoint,
  insertCheckpoint,
  isLarge,
  latestCheckpoint,
  matchingRows,
  NO_BOUND,
  newestCheckpoints,
  readLarge,
  replaceCheckpoint,
  withParts,
} from "./checkpoint-rows.js";
import { outlineKey, putState } from "./checkpoint-states.js";
import {
  compactWrite,
  intact,
  putWrite,
  type ReadWrite,
  selectCompact,
  selectWrites,
  writeInPieces,
} from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { inSteps } from "./connection/snapshots.js";
import { assertFence } from "./lease-rows.js";
import { longTexts } from "./long-text.js";
import { storeTexts } from "./long-text-rows.js";
import { Portion } from "./portion.js";
import { existingHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone, liveThread, type ThreadRow, threadToWrite, touchThread } from "./thread-rows.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

/** Checkpoints read in one step: with states, which may be large, and without. */
const READ_AT_ONCE = { withData: 4, withoutData: 100 };

/** Bytes of a state up to which it is split in one step. */
const SPLIT_AT_ONCE = 1024 * 1024;

/** Short writes stored between two looks at the time. */
const WRITTEN_AT_ONCE = 50;

export function checkpointVerbs(file: () => OpenFile): CheckpointVerbs {
  return {
    storeCheckpoint(call, threadId, checkpoint, fence) {
      const { data, namespace } = checkpoint;
      const { outlines } = file();
      const key = outlineKey(call.tenant, threadId);
      // Before the transaction: others need not wait for it.
      const splitting = splitInSteps(data, outlines.get(key, namespace));
      const store = (state: SplitState): Promise<StoredCheckpoint> => {
        outlines.keep(key, namespace, state.outline);
        return storeSplit(file(), call, threadId, checkpoint, state, fence);
      };
      if (data.bytes <= SPLIT_AT_ONCE) return store(runAtOnce(splitting));
      return new Slices(call, EACH_STEP).run(splitting).then(store);
    },

    async getCheckpoint(call, threadId, wanted) {
      const parts = { data: true, writes: false, ifNoneMatch: wanted.ifNoneMatch };
      const found = await file().readInSteps(call, function* (db, tenant) {
        const at = findWanted(db, tenant, threadId, wanted, file().now());
        if (at === undefined || isLarge(at.row, parts)) return at;
        const { thread, row } = at;
        const checkpoint = yield* withParts(db, thread, row, parts);
        if (checkpoint === undefined) return undefined;
        return { checkpoint, writes: yield* writesOf(db, thread, row, wanted) };
      });
      if (found === undefined) return undefined;
      const whole = "checkpoint" in found ? found : await readLargeWanted(file(), call, threadId, wanted);
      if (whole === undefined || whole.writes === null) return whole?.checkpoint;
      const { checkpoint, writes } = whole;
      return { ...checkpoint, writes: await mapInSlices(call, writes, (row) => intact(row, checkpoint.checkpointId)) };
    },

    listCheckpoints(call, threadId, listing) {
      const atOnce = listing.data || listing.writes ? READ_AT_ONCE.withData : READ_AT_ONCE.withoutData;
      if (listing.limit > atOnce || listing.metadata.length > 0)
        return listLong(file(), call, threadId, listing, atOnce);
      const read = file().readInSteps(call, function* (db, tenant) {
        const thread = liveThread(db, tenant, threadId, file().now());
        if (thread === undefined) return [];
        const { namespace, before, limit } = listing;
        const rows = newestCheckpoints(db, thread.id, namespace, before ?? NO_BOUND, limit);
        if (rows.some((row) => isLarge(row, listing))) return null;
        return yield* allWithParts(db, thread.id, rows, listing);
      });
      return read.then((rows) => rows ?? listLong(file(), call, threadId, listing, atOnce));
    },

    async putWrites(call, threadId, target, writes, fence) {
      // Before the transaction: others need not wait for it.
      const compact = await mapInSlices(call, writes, (write) => (isLong(write.value) ? null : compactWrite(write)));
      const long = await longTexts(call, writes, ({ value }) => [value]);
      const characters = writes.reduce((sum, { value }) => sum + value.length, 0);
      return file().writeSized(call, { rows: writes.length, characters, awaitsOthers: true }, function* (tx, tenant) {
        const now = file().now();
        assertFence(tx, tenant, fence, now);
        const texts = yield* storeTexts(tx, long);
        const thread = threadToWrite(tx, tenant, threadId, findThread(tx, tenant, threadId), now);
        const portion = new Portion(WRITTEN_AT_ONCE);
        for (const [i, write] of writes.entries()) {
          const text = texts.get(write);
          const row = text === undefined ? (compact[i] ?? compactWrite(write)) : writeInPieces(write, text);
          putWrite(tx, thread.id, target, row);
          if (portion.isFull(write.value.length)) yield;
        }
        touchThread(tx, thread, { ...thread, link: null }, now);
        yield;
      });
    },

    getWrites: (call, threadId, { namespace, checkpointId }) =>
      file().readInSteps(call, function* (db, tenant) {
        const thread = liveThread(db, tenant, threadId, file().now());
        return thread === undefined ? [] : yield* selectWrites(db, thread.id, namespace, checkpointId);
      }),
  };
}

function storeSplit(
  file: OpenFile,
  call: Call,
  threadId: string,
  { expectedHead, data: _data, ...checkpoint }: NewStoredCheckpoint,
  state: SplitState,
  fence: FencingToken | null,
): Promise<StoredCheckpoint> {
  return file.writeSized(call, { rows: 1, characters: state.newBytes, awaitsOthers: true }, function* (tx, tenant) {
    const now = file.now();
    const { namespace, checkpointId, sessionId } = checkpoint;
    const link = sessionId === null ? null : existingHead(tx, tenant, sessionId, now);
    assertFence(tx, tenant, fence, now);
    const found = findThread(tx, tenant, threadId);
    if (expectedHead !== undefined) {
      const live = found === undefined || isThreadGone(found, now) ? undefined : found;
      const head = live && latestCheckpoint(tx, live.id, namespace);
      assertExpectedHead(head?.checkpointId ?? null, expectedHead);
    }
    const thread = threadToWrite(tx, tenant, threadId, found, now);
    const earlier = findCheckpoint(tx, thread.id, namespace, checkpointId);
    const seq = earlier?.seq ?? thread.lastSeq + 1;
    const stored = { ...checkpoint, seq, createdAt: earlier?.createdAt ?? now };
    const id = earlier?.id ?? insertCheckpoint(tx, thread.id, stored);
    if (earlier !== undefined) replaceCheckpoint(tx, id, stored);
    yield* putState(tx, thread.id, { id }, state);
    const added = earlier === undefined ? 1 : 0;
    touchThread(
      tx,
      thread,
      { link, lastSeq: thread.lastSeq + added, checkpointCount: thread.checkpointCount + added },
      now,
    );
    yield;
    return { ...stored, etag: state.root, data: null, writes: null };
  });
}

/** The row that is asked for, and its thread. */
function findWanted(
  db: Connection,
  tenant: number,
  threadId: string,
  { namespace, checkpointId }: WantedCheckpoint,
  now: number,
): FoundCheckpoint | undefined {
  const thread = liveThread(db, tenant, threadId, now);
  if (thread === undefined) return undefined;
  const row =
    checkpointId === null
      ? latestCheckpoint(db, thread.id, namespace)
      : findCheckpoint(db, thread.id, namespace, checkpointId);
  return row === undefined ? undefined : { thread: thread.id, row };
}

function* writesOf(
  db: Connection,
  thread: number,
  { namespace, checkpointId }: CheckpointInPage,
  { writes }: WantedCheckpoint,
): Generator<void, ReadWrite[] | null, void> {
  return writes ? yield* selectCompact(db, thread, namespace, checkpointId) : null;
}

/** A checkpoint with a large state, and its writes as they are stored. */
function readLargeWanted(
  file: OpenFile,
  call: Call,
  threadId: string,
  wanted: WantedCheckpoint,
): Promise<{ readonly checkpoint: StoredCheckpoint; readonly writes: ReadWrite[] | null } | undefined> {
  return file.scan(call, async (read, tenant) => {
    const parts = { data: true, writes: false, ifNoneMatch: wanted.ifNoneMatch };
    const at = await read((db) => findWanted(db, tenant, threadId, wanted, file.now()));
    const checkpoint = at && (await readLarge(call, read, true, parts, () => at));
    if (at === undefined || checkpoint === undefined) return undefined;
    const writes = await inSteps(read, (db) => writesOf(db, at.thread, at.row, wanted));
    return { checkpoint, writes };
  });
}

/** Long listings, and those whose filter may pass many by, in short steps. */
function listLong(
  file: OpenFile,
  call: Call,
  threadId: string,
  listing: CheckpointListing,
  atOnce: number,
): Promise<StoredCheckpoint[]> {
  return file.scan(call, async (read, tenant) => {
    const thread: ThreadRow | undefined = await read((db) => liveThread(db, tenant, threadId, file.now()));
    if (thread === undefined) return [];
    const found: StoredCheckpoint[] = [];
    let before = listing.before ?? NO_BOUND;
    while (found.length < listing.limit) {
      const rows: CheckpointInPage[] = await read((db) =>
        newestCheckpoints(db, thread.id, listing.namespace, before, READ_AT_ONCE.withoutData),
      );
      const left = listing.limit - found.length;
      const chosen = await inSteps(read, (db) => matchingRows(db, rows, listing.metadata, left));
      for (let i = 0; i < chosen.length; ) {
        const some = manyOrOne(chosen.slice(i, i + atOnce), listing);
        i += some.length;
        const [first] = some;
        if (first !== undefined && isLarge(first, listing)) {
          const large = await readLarge(call, read, true, listing, () => ({ thread: thread.id, row: first }));
          if (large !== undefined) found.push(large);
          continue;
        }
        found.push(...(await inSteps(read, (db) => allWithParts(db, thread.id, some, listing))));
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < READ_AT_ONCE.withoutData) break;
      before = last.seq;
    }
    return found;
  });
}

/** Rows that are read in one step: those before a large one, or that one. */
function manyOrOne(rows: readonly CheckpointInPage[], listing: CheckpointListing): readonly CheckpointInPage[] {
  const large = rows.findIndex((row) => isLarge(row, listing));
  return large === -1 ? rows : rows.slice(0, Math.max(1, large));
}
