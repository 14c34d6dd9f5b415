/** Checkpoints and writes of the SQLite backend (K1-K3, K5, K8). */

import { assertExpectedHead, compareWrites } from "../../domain/checkpoints.js";
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { matchesMetadata } from "../../domain/metadata-filter.js";
import { splitState } from "../../domain/segments/split.js";
import { mapInSlices } from "../../domain/slices.js";
import {
  type CheckpointRow,
  findCheckpoint,
  insertCheckpoint,
  latestCheckpoint,
  NO_BOUND,
  newestCheckpoints,
  replaceCheckpoint,
  withParts,
} from "./checkpoint-rows.js";
import { outlineKey, putState } from "./checkpoint-states.js";
import {
  compactWrite,
  FIRST_PLACE,
  intact,
  putWrite,
  selectCompact,
  selectSomeWrites,
  type TaskPlace,
} from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { assertFence } from "./leases.js";
import { existingHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone, liveThread, type ThreadRow, threadToWrite, touchThread } from "./thread-rows.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

/** Checkpoints read in one step: with states, which may be large, and without. */
const READ_AT_ONCE = { withData: 4, withoutData: 100 };

/** Writes read in one step. */
const WRITES_AT_ONCE = 200;

/** Writes stored between two looks at the time. */
const WRITTEN_AT_ONCE = 50;

export function checkpointVerbs(file: () => OpenFile): CheckpointVerbs {
  return {
    storeCheckpoint(call, threadId, { expectedHead, data, ...checkpoint }, fence) {
      const { outlines } = file();
      const key = outlineKey(call.tenant, threadId);
      // Before the transaction: others need not wait for it.
      const state = splitState(data, outlines.get(key, checkpoint.namespace));
      outlines.keep(key, checkpoint.namespace, state.outline);
      return file().writeSized(
        call,
        { rows: 1, characters: state.newBytes, awaitsOthers: true },
        function* (tx, tenant) {
          const now = file().now();
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
        },
      );
    },

    async getCheckpoint(call, threadId, { namespace, checkpointId, ...parts }) {
      const found = await file().read(call, (db, tenant) => {
        const thread = liveThread(db, tenant, threadId, file().now());
        if (thread === undefined) return undefined;
        const row =
          checkpointId === null
            ? latestCheckpoint(db, thread.id, namespace)
            : findCheckpoint(db, thread.id, namespace, checkpointId);
        if (row === undefined) return undefined;
        const checkpoint = withParts(db, thread.id, row, { ...parts, data: true, writes: false });
        return { checkpoint, writes: parts.writes ? selectCompact(db, thread.id, namespace, row.checkpointId) : null };
      });
      if (found === undefined || found.writes === null) return found?.checkpoint;
      const { checkpoint, writes } = found;
      return { ...checkpoint, writes: await mapInSlices(call, writes, (row) => intact(row, checkpoint.checkpointId)) };
    },

    listCheckpoints(call, threadId, listing) {
      const atOnce = listing.data || listing.writes ? READ_AT_ONCE.withData : READ_AT_ONCE.withoutData;
      if (listing.limit > atOnce || listing.metadata.length > 0)
        return listLong(file(), call, threadId, listing, atOnce);
      return file().read(call, (db, tenant) => {
        const thread = liveThread(db, tenant, threadId, file().now());
        if (thread === undefined) return [];
        const { namespace, before, limit } = listing;
        const rows = newestCheckpoints(db, thread.id, namespace, before ?? NO_BOUND, limit);
        return rows.map((row) => withParts(db, thread.id, row, listing));
      });
    },

    async putWrites(call, threadId, target, writes, fence) {
      // Before the transaction: others need not wait for it.
      const compact = await mapInSlices(call, writes, compactWrite);
      const characters = writes.reduce((sum, { value }) => sum + value.length, 0);
      return file().writeSized(call, { rows: writes.length, characters, awaitsOthers: true }, function* (tx, tenant) {
        const now = file().now();
        assertFence(tx, tenant, fence, now);
        const thread = threadToWrite(tx, tenant, threadId, findThread(tx, tenant, threadId), now);
        for (const [i, write] of compact.entries()) {
          putWrite(tx, thread.id, target, write);
          if (i % WRITTEN_AT_ONCE === WRITTEN_AT_ONCE - 1) yield;
        }
        touchThread(tx, thread, { ...thread, link: null }, now);
        yield;
      });
    },

    getWrites: (call, threadId, target) => getWrites(file(), call, threadId, target),
  };
}

/** A few hundred writes a step; most checkpoints have fewer. */
async function getWrites(
  file: OpenFile,
  call: Call,
  threadId: string,
  target: Parameters<CheckpointDriver["getWrites"]>[2],
): Promise<StoredWrite[]> {
  const some = (db: Connection, tenant: number, after: TaskPlace): StoredWrite[] => {
    const thread = liveThread(db, tenant, threadId, file.now());
    return thread === undefined ? [] : selectSomeWrites(db, thread.id, target, after, WRITES_AT_ONCE);
  };
  const few = await file.read(call, (db, tenant) => some(db, tenant, FIRST_PLACE));
  if (few.length < WRITES_AT_ONCE) return few.sort(compareWrites);
  return file.scan(call, async (read, tenant) => {
    const all: StoredWrite[] = [];
    for (let more = true; more; ) {
      const rows = await read((db) => some(db, tenant, all.at(-1) ?? FIRST_PLACE));
      all.push(...rows);
      more = rows.length === WRITES_AT_ONCE;
    }
    return all.sort(compareWrites);
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
      const rows: CheckpointRow[] = await read((db) =>
        newestCheckpoints(db, thread.id, listing.namespace, before, READ_AT_ONCE.withoutData),
      );
      const chosen = rows
        .filter((row) => matchesMetadata(row.metadata, listing.metadata))
        .slice(0, listing.limit - found.length);
      for (let i = 0; i < chosen.length; i += atOnce) {
        const some = chosen.slice(i, i + atOnce);
        const parts = (db: Connection) => {
          const there = file.journal === "wal" ? some : stillListed(db, thread.id, some, listing);
          return there.map((row) => withParts(db, thread.id, row, listing));
        };
        found.push(...(await read(parts)));
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < READ_AT_ONCE.withoutData) break;
      before = last.seq;
    }
    return found;
  });
}

/** Without one moment for all steps: the rows as they are now, but for those that are gone since they were chosen. */
function stillListed(
  db: Connection,
  thread: number,
  rows: readonly CheckpointRow[],
  { metadata }: CheckpointListing,
): CheckpointRow[] {
  return rows.flatMap(({ seq, namespace, checkpointId }) => {
    const row = findCheckpoint(db, thread, namespace, checkpointId);
    return row?.seq === seq && matchesMetadata(row.metadata, metadata) ? [row] : [];
  });
}
