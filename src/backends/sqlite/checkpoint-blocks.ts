/** Blocks that the states of a thread are made of (K4): stored once a thread, swept when no state needs them (K6). */
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";
import { markBlocks, type ReadBlocks } from "../../domain/segments/restore.js";
import type { SplitState } from "../../domain/segments/split.js";
import { sortInSteps } from "../../domain/sort-in-steps.js";
import type { Connection } from "./connection/connection.js";
import { Portion } from "./portion.js";

/** Blocks stored, copied or looked at between two looks at the time. */
const BLOCKS_AT_ONCE = 20;
const NAMES_AT_ONCE = 200;

/** Bytes stored between two looks at the time: compressing them takes most of it. */
const BYTES_AT_ONCE = 32 * 1024;

/** States marked between two looks at the time. */
const STATES_AT_ONCE = 20;

/** Blocks that replaced states may leave before their thread is swept; with more that are needed, as many more. */
const LOOSE_BLOCKS = 256;

/** Stores the blocks of a state that the thread does not have; returns how many these were. */
export function* putBlocks(tx: Connection, thread: number, state: SplitState): Generator<void, number, void> {
  let count = 0;
  let bytes = 0;
  for (const { name, data } of state.newBlocks((stored) => hasBlock(tx, thread, stored))) {
    tx.run("INSERT INTO checkpoint_blocks (thread, name, data) VALUES (?, ?, ?)", thread, nameBytes(name), data);
    count += 1;
    bytes += data.length;
    if (count % BLOCKS_AT_ONCE !== 0 && bytes < BYTES_AT_ONCE) continue;
    bytes = 0;
    yield;
  }
  return count;
}

/** Names up to which blocks are asked for one by one. */
const FEW = 4;

const ONE = "SELECT data FROM checkpoint_blocks WHERE thread = ? AND name = ?";

/** A statement for each block would take longer than reading it. */
const MANY = `SELECT lower(hex(b.name)) AS name, b.data FROM json_each(?) n
  CROSS JOIN checkpoint_blocks b ON b.thread = ? AND b.name = unhex(n.value)`;

/** Reads blocks of a thread. */
export function blocksOf(db: Connection, thread: number): ReadBlocks {
  return (names) => {
    if (names.length <= FEW) {
      return names.map((name) => db.get<{ data: Uint8Array }>(ONE, thread, nameBytes(name))?.data);
    }
    const rows = db.all<{ name: string; data: Uint8Array }>(MANY, JSON.stringify(names), thread);
    const found = new Map(rows.map(({ name, data }) => [name, data]));
    return names.map((name) => found.get(name));
  };
}

/** Copies all blocks of a thread to another one, which has none. */
export function* copyBlocks(tx: Connection, from: number, to: number): Generator<void, void, void> {
  let after: Uint8Array = new Uint8Array();
  for (;;) {
    const rows = namesAfter(tx, from, after, BLOCKS_AT_ONCE);
    for (const { id, name } of rows) {
      tx.run(
        "INSERT INTO checkpoint_blocks (thread, name, data) SELECT ?, name, data FROM checkpoint_blocks WHERE id = ?",
        to,
        id,
      );
      after = name;
    }
    if (rows.length === 0) break;
    yield;
  }
  tx.run(
    `UPDATE threads SET (loose_blocks, kept_blocks) = (SELECT loose_blocks, kept_blocks FROM threads WHERE id = ?)
     WHERE id = ?`,
    from,
    to,
  );
}

/** Notes that a state is gone, which may leave blocks that nothing needs. */
export function noteLoose(tx: Connection, thread: number, leaves: number): void {
  if (leaves > 0) tx.run("UPDATE threads SET loose_blocks = loose_blocks + ? WHERE id = ?", leaves, thread);
}

/**
 * Deletes the blocks of a thread that no state needs: all of them (`"all"`), or only once there may be many (`"many"`), so that
 * replacing states costs no sweep each time. A thread with a node that cannot be read keeps all of them. Runs in one transaction: no writer comes between the marks and the deletions.
 */
export function* sweepLoose(tx: Connection, thread: number, when: "all" | "many"): Generator<void, void, void> {
  const { loose, kept } = tx.get<{ loose: number; kept: number }>(
    "SELECT loose_blocks AS loose, kept_blocks AS kept FROM threads WHERE id = ?",
    thread,
  ) ?? { loose: 0, kept: 0 };
  if (loose <= (when === "all" ? 0 : LOOSE_BLOCKS + kept)) return;
  const needed = yield* neededBlocks(tx, thread);
  let after: Uint8Array = new Uint8Array();
  let left = 0;
  const gone: number[] = [];
  for (;;) {
    const rows = namesAfter(tx, thread, after, NAMES_AT_ONCE);
    for (const { id, name } of rows) {
      after = name;
      if (needed === null || needed.has(Buffer.from(name).toString("hex"))) left += 1;
      else gone.push(id);
    }
    if (rows.length === 0) break;
    yield;
  }
  // As they stand in the file: by their names, which are hashes, each page would be written many times, which COMMIT pays for.
  const portion = new Portion(BLOCKS_AT_ONCE);
  for (const id of yield* sortInSteps(gone, (a, b) => a - b)) {
    tx.run("DELETE FROM checkpoint_blocks WHERE id = ?", id);
    if (portion.isFull(0)) yield;
  }
  tx.run("UPDATE threads SET loose_blocks = 0, kept_blocks = ? WHERE id = ?", left, thread);
}

/** Deletes some blocks of a thread; returns how many. */
export function deleteSomeBlocks(tx: Connection, thread: number, limit: number): number {
  return tx.run(
    "DELETE FROM checkpoint_blocks WHERE id IN (SELECT id FROM checkpoint_blocks WHERE thread = ? LIMIT ?)",
    thread,
    limit,
  );
}

/** The names of all blocks that states need; `null` where a damaged node hides what it needs: reading reports it, nothing is lost. */
function* neededBlocks(tx: Connection, thread: number): Generator<void, ReadonlySet<string> | null, void> {
  try {
    return yield* markAll(tx, thread);
  } catch (error) {
    if (error instanceof CorruptionError || error instanceof UnsupportedError) return null;
    throw error;
  }
}

function* markAll(tx: Connection, thread: number): Generator<void, ReadonlySet<string>, void> {
  const needed = new Set<string>();
  const read = blocksOf(tx, thread);
  let after = 0;
  for (;;) {
    const states = tx.all<{ seq: number; data: string }>(
      `SELECT k.seq, d.data FROM checkpoints k INDEXED BY checkpoints_by_seq JOIN checkpoint_states d ON d.checkpoint = k.id
       WHERE k.thread = ? AND k.seq > ? ORDER BY k.seq LIMIT ?`,
      thread,
      after,
      STATES_AT_ONCE,
    );
    for (const { seq, data } of states) {
      markBlocks(data, read, needed);
      after = seq;
    }
    if (states.length === 0) return needed;
    yield;
  }
}

function namesAfter(
  db: Connection,
  thread: number,
  after: Uint8Array,
  limit: number,
): { readonly id: number; readonly name: Uint8Array }[] {
  return db.all(
    "SELECT id, name FROM checkpoint_blocks WHERE thread = ? AND name > ? ORDER BY name LIMIT ?",
    thread,
    after,
    limit,
  );
}

function hasBlock(db: Connection, thread: number, name: string): boolean {
  const sql = "SELECT 1 FROM checkpoint_blocks WHERE thread = ? AND name = ?";
  return db.get(sql, thread, nameBytes(name)) !== undefined;
}

function nameBytes(name: string): Uint8Array {
  return Buffer.from(name, "hex");
}
