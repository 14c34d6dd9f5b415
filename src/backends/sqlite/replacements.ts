/** Values in the place of stored ones, in the SQLite backend (P2). */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointReplacementRow, ReplacementOf, ReplacementRow } from "../../domain/driver/replacements.js";
import { isItemExpired } from "../../domain/items.js";
import { splitInSteps } from "../../domain/segments/split.js";
import { EACH_STEP, mapInSlices, Slices } from "../../domain/slices.js";
import { findCheckpoint } from "./checkpoint-rows.js";
import { outlineKey, putState, readState } from "./checkpoint-states.js";
import { compactWrite, findWrite, intact, nameOfWrite, writeInPieces } from "./checkpoint-writes.js";
import { checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { findVersion } from "./context-rows.js";
import { findItem, nameOf } from "./item-rows.js";
import { longTexts } from "./long-text.js";
import { dropText, isInPieces, isText, storeTexts, type TextInPieces, type TextOfRow } from "./long-text-rows.js";
import { isInGap } from "./message-gap.js";
import { messageRow } from "./message-rows.js";
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
    const long = await longTexts(call, some, newText);
    const packed = await mapInSlices(call, some, (each) => prepared(each, long.has(each)));
    const characters = some.reduce(
      (sum, { to }) => sum + Object.values(to).reduce<number>((n, v) => n + sizeOf(v), 0),
      0,
    );
    const done = await file.writeSized(call, { rows: some.length, characters }, function* (tx, tenant) {
      const now = file.now();
      const texts = yield* storeTexts(tx, long);
      const each: boolean[] = [];
      for (const [i, replacement] of packed.entries()) {
        const text = texts.get(some[i] as (typeof some)[number]);
        const replacing = replacement(tx, tenant, now, text);
        const isDone = typeof replacing === "boolean" ? replacing : yield* replacing;
        if (!isDone && text !== undefined) dropText(tx, text.long);
        each.push(isDone);
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

/** All but states. */
type TextReplacement = Exclude<ReplacementRow, CheckpointReplacementRow>;

/** What may be long of what is to be stored, and what comes before it in its checksum. */
function newText(each: TextReplacement): readonly [text: string, ...before: readonly string[]] {
  switch (each.kind) {
    case "session":
      return [""];
    case "message":
      return [each.to.content, each.to.metadata];
    case "task_context":
      return [each.to.context, each.to.metadata];
    case "write":
    case "item":
      return [each.to.value];
  }
}

/** One replacement, with what it stores at hand; `text` where that is kept in pieces. */
type Replace = (
  tx: Connection,
  tenant: number,
  now: number,
  text: TextInPieces | undefined,
) => boolean | Generator<void, boolean, void>;

function prepared(each: TextReplacement, isLong: boolean): Replace {
  switch (each.kind) {
    case "session":
      return (tx, tenant, now) => {
        const session = liveHead(tx, tenant, each.sessionId, now);
        const change = "UPDATE sessions SET metadata = ? WHERE id = ? AND metadata = ?";
        return session !== undefined && tx.run(change, each.to.metadata, session.id, each.from.metadata) === 1;
      };
    case "message":
      return message(each, isLong);
    case "task_context":
      return version(each, isLong);
    case "write":
      return write(each, isLong);
    case "item":
      return item(each, isLong);
  }
}

/** Whether the text of a row is the expected one. */
function* holds(
  tx: Connection,
  row: TextOfRow,
  stored: string,
  expected: string,
  record: () => string,
  ...before: readonly string[]
): Generator<void, boolean, void> {
  return isInPieces(row, stored) ? yield* isText(tx, row, record, expected, ...before) : stored === expected;
}

function message({ sessionId, seq, from, to }: ReplacementOf<"message">, isLong: boolean): Replace {
  const sum = isLong ? null : checksum(to.metadata, to.content);
  return function* (tx, tenant, now, text) {
    const session = liveHead(tx, tenant, sessionId, now);
    if (session === undefined || isInGap(session, seq)) return false;
    const row = messageRow(tx, session.id, seq);
    if (row?.metadata !== from.metadata) return false;
    if (!(yield* holds(tx, row, row.content, from.content, () => `message ${seq}`, row.metadata))) return false;
    tx.run(
      "UPDATE messages SET checksum = ?, metadata = ?, content = ?, long = ? WHERE session = ? AND seq = ?",
      text?.checksum ?? sum,
      to.metadata,
      text === undefined ? to.content : "",
      text?.long ?? null,
      session.id,
      seq,
    );
    return true;
  };
}

function version({ sessionId, version: number, from, to }: ReplacementOf<"task_context">, isLong: boolean): Replace {
  const sum = isLong ? null : checksum(to.metadata, to.context);
  return function* (tx, tenant, now, text) {
    const context = liveHead(tx, tenant, sessionId, now)?.context ?? null;
    const row = context === null ? undefined : findVersion(tx, "version = ?", context, number);
    if (context === null || row?.metadata !== from.metadata) return false;
    const record = (): string => `task context version ${number}`;
    if (!(yield* holds(tx, row, row.context, from.context, record, row.metadata))) return false;
    tx.run(
      `UPDATE context_versions SET size_bytes = ?, checksum = ?, metadata = ?, content = ?, long = ?
       WHERE context = ? AND version = ?`,
      to.sizeBytes,
      text?.checksum ?? sum,
      to.metadata,
      text === undefined ? to.context : "",
      text?.long ?? null,
      context,
      number,
    );
    return true;
  };
}

function write(each: ReplacementOf<"write">, isLong: boolean): Replace {
  const { threadId, namespace, checkpointId, taskId, index, from, to } = each;
  const row = { taskId, index, taskPath: "", channel: "", value: to.value };
  const short = isLong ? null : compactWrite(row);
  return function* (tx, tenant, now, text) {
    const thread = liveThread(tx, tenant, threadId, now);
    const stored = thread && findWrite(tx, thread.id, { namespace, checkpointId, taskId, index });
    if (thread === undefined || stored === undefined) return false;
    const isExpected = isInPieces(stored, stored.value)
      ? yield* isText(tx, stored, nameOfWrite(checkpointId), from.value)
      : intact(stored, checkpointId).value === from.value;
    if (!isExpected) return false;
    const packed = text === undefined ? (short ?? compactWrite(row)) : writeInPieces(row, text);
    tx.run(
      `UPDATE checkpoint_writes SET checksum = ?, value = ?, long = ?
       WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND task_id = ? AND idx = ?`,
      packed.checksum,
      packed.value,
      packed.long,
      thread.id,
      namespace,
      checkpointId,
      taskId,
      index,
    );
    return true;
  };
}

function item({ namespace, key, from, to }: ReplacementOf<"item">, isLong: boolean): Replace {
  const sum = isLong ? null : checksum(to.value);
  return function* (tx, tenant, now, text) {
    const stored = findItem(tx, tenant, namespace, key);
    if (stored === undefined || isItemExpired(stored, now)) return false;
    if (!(yield* holds(tx, stored, stored.value, from.value, nameOf(stored)))) return false;
    tx.run(
      "UPDATE items SET checksum = ?, value = ?, long = ? WHERE id = ?",
      text?.checksum ?? sum,
      text === undefined ? to.value : "",
      text?.long ?? null,
      stored.id,
    );
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
