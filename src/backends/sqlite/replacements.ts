/** Values in the place of stored ones, in the SQLite backend (P2). */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointReplacementRow, ReplacementOf, ReplacementRow } from "../../domain/driver/replacements.js";
import { isItemExpired } from "../../domain/items.js";
import { splitInSteps } from "../../domain/segments/split.js";
import { EACH_STEP, mapInSlices, Slices } from "../../domain/slices.js";
import { findCheckpoint } from "./checkpoint-rows.js";
import { outlineKey, putState, readState } from "./checkpoint-states.js";
import { compactWrite, selectWrite } from "./checkpoint-writes.js";
import { checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { selectVersion } from "./context-rows.js";
import { findItem } from "./item-rows.js";
import { isInGap } from "./message-gap.js";
import { liveHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { liveThread } from "./thread-rows.js";

/** Replacements of one transaction. */
const AT_ONCE = 100;

export async function replaceStored(
  file: OpenFile,
  call: Call,
  replacements: readonly ReplacementRow[],
): Promise<boolean[]> {
  const results: boolean[] = [];
  for (let at = 0; at < replacements.length; ) {
    const first = replacements[at] as ReplacementRow;
    if (first.kind === "checkpoint") {
      results.push(await replaceState(file, call, first));
      at += 1;
      continue;
    }
    const some: Exclude<ReplacementRow, CheckpointReplacementRow>[] = [];
    for (const each of replacements.slice(at, at + AT_ONCE)) {
      if (each.kind === "checkpoint") break;
      some.push(each);
    }
    // Before the transaction: others need not wait for it.
    const packed = await mapInSlices(call, some, prepared);
    const characters = some.reduce(
      (sum, { to }) => sum + Object.values(to).reduce<number>((n, v) => n + sizeOf(v), 0),
      0,
    );
    const done = await file.writeSized(call, { rows: some.length, characters }, function* (tx, tenant) {
      const now = file.now();
      const each: boolean[] = [];
      for (const replacement of packed) {
        each.push(replacement(tx, tenant, now));
        yield;
      }
      return each;
    });
    results.push(...done);
    at += some.length;
  }
  return results;
}

const sizeOf = (value: unknown): number => (typeof value === "string" ? value.length : 0);

/** One replacement, with what it stores at hand. */
type Replace = (tx: Connection, tenant: number, now: number) => boolean;

function prepared(each: Exclude<ReplacementRow, CheckpointReplacementRow>): Replace {
  switch (each.kind) {
    case "session":
      return (tx, tenant, now) => {
        const session = liveHead(tx, tenant, each.sessionId, now);
        const change = "UPDATE sessions SET metadata = ? WHERE id = ? AND metadata = ?";
        return session !== undefined && tx.run(change, each.to.metadata, session.id, each.from.metadata) === 1;
      };
    case "message":
      return message(each);
    case "task_context":
      return version(each);
    case "write":
      return write(each);
    case "item":
      return item(each);
  }
}

function message({ sessionId, seq, from, to }: ReplacementOf<"message">): Replace {
  const sum = checksum(to.metadata, to.content);
  return (tx, tenant, now) => {
    const session = liveHead(tx, tenant, sessionId, now);
    if (session === undefined || isInGap(session, seq)) return false;
    return (
      tx.run(
        `UPDATE messages SET checksum = ?, metadata = ?, content = ?
         WHERE session = ? AND seq = ? AND metadata = ? AND content = ?`,
        sum,
        to.metadata,
        to.content,
        session.id,
        seq,
        from.metadata,
        from.content,
      ) === 1
    );
  };
}

function version({ sessionId, version: number, from, to }: ReplacementOf<"task_context">): Replace {
  const sum = checksum(to.metadata, to.context);
  return (tx, tenant, now) => {
    const context = liveHead(tx, tenant, sessionId, now)?.context ?? null;
    const stored = context === null ? undefined : selectVersion(tx, context, number);
    if (stored === undefined || stored.context !== from.context || stored.metadata !== from.metadata) return false;
    tx.run(
      `UPDATE context_versions SET size_bytes = ?, checksum = ?, metadata = ?, content = ?
       WHERE context = ? AND version = ?`,
      to.sizeBytes,
      sum,
      to.metadata,
      to.context,
      context,
      number,
    );
    return true;
  };
}

function write(each: ReplacementOf<"write">): Replace {
  const { threadId, namespace, checkpointId, taskId, index, from, to } = each;
  const packed = compactWrite({ taskId, index, taskPath: "", channel: "", value: to.value });
  return (tx, tenant, now) => {
    const thread = liveThread(tx, tenant, threadId, now);
    const stored = thread && selectWrite(tx, thread.id, { namespace, checkpointId, taskId, index });
    if (thread === undefined || stored?.value !== from.value) return false;
    tx.run(
      `UPDATE checkpoint_writes SET checksum = ?, value = ?
       WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND task_id = ? AND idx = ?`,
      packed.checksum,
      packed.value,
      thread.id,
      namespace,
      checkpointId,
      taskId,
      index,
    );
    return true;
  };
}

function item({ namespace, key, from, to }: ReplacementOf<"item">): Replace {
  const sum = checksum(to.value);
  return (tx, tenant, now) => {
    const stored = findItem(tx, tenant, namespace, key);
    if (stored === undefined || isItemExpired(stored, now) || stored.value !== from.value) return false;
    tx.run("UPDATE items SET checksum = ?, value = ? WHERE id = ?", sum, to.value, stored.id);
    return true;
  };
}

/** A state: its blocks take the place of those that it had, which are swept as after any other state that is stored again. */
async function replaceState(
  file: OpenFile,
  call: Call,
  { threadId, namespace, checkpointId, from, to }: CheckpointReplacementRow,
): Promise<boolean> {
  const { outlines } = file;
  const key = outlineKey(call.tenant, threadId);
  const state = await new Slices(call, EACH_STEP).run(splitInSteps(to.data, outlines.get(key, namespace)));
  outlines.keep(key, namespace, state.outline);
  const size = { rows: 1, characters: state.newBytes, awaitsOthers: true };
  return file.writeSized(call, size, function* (tx, tenant) {
    const thread = liveThread(tx, tenant, threadId, file.now());
    const row = thread && findCheckpoint(tx, thread.id, namespace, checkpointId);
    if (thread === undefined || row === undefined || row.metadata !== from.metadata || row.etag !== from.etag)
      return false;
    if (from.etag === null && readState(tx, thread.id, row, () => "a checkpoint") !== from.data) return false;
    tx.run("UPDATE checkpoints SET size_bytes = ?, metadata = ? WHERE id = ?", to.sizeBytes, to.metadata, row.id);
    yield* putState(tx, thread.id, row, state);
    return true;
  });
}
