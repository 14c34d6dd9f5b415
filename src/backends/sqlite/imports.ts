/** Import into the SQLite backend (P1): a batch is one transaction, in slices. */
import { ConflictError, type InvalidArgumentError } from "../../contract/errors.js";
import { encodedOf } from "../../domain/codec/long-text.js";
import type { Call } from "../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup, ImportRow, ImportSubject } from "../../domain/driver/imports.js";
import { isItemExpired } from "../../domain/items.js";
import { assertExtendsContext, assertExtendsSession, assertExtendsThread } from "../../domain/records/extension.js";
import { doubledId, subjectName } from "../../domain/records/import-refusals.js";
import { splitInSteps } from "../../domain/segments/split.js";
import { isExpired } from "../../domain/sessions.js";
import { findCheckpoint, insertCheckpoint } from "./checkpoint-rows.js";
import { putState } from "./checkpoint-states.js";
import { compactWrite, putWrite, writeInPieces } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { contextName, dropVersions, findContext, insertContext, newestVersion, putVersion } from "./context-rows.js";
import { isDuplicate } from "./errors.js";
import { discardSession, discardThread, hasGarbage, newBatch } from "./garbage.js";
import { deleteItem, findItemHead, putItem } from "./item-rows.js";
import { assertDimensionsFit } from "./item-vectors.js";
import { storeIfLong } from "./long-text-rows.js";
import { isLocated } from "./message-ids.js";
import { rememberRole } from "./message-roles.js";
import { hasMessage, insertMessage } from "./message-rows.js";
import {
  changeSession,
  existingSession,
  insertSession,
  liveHead,
  sessionHead,
  sessionsOfContext,
} from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { findThread, insertThread, liveThread } from "./thread-rows.js";

/** Rows stored between two looks at the time. */
const ROWS_AT_ONCE = 20;

/** What all groups of a batch share. */
interface Import {
  readonly tx: Connection;
  readonly tenant: number;
  readonly now: number;
  /** Garbage of what is replaced. */
  readonly batch: number;
}

export async function importBatch(file: OpenFile, call: Call, batch: ImportBatch): Promise<GroupVerdict[]> {
  const { verdicts, left } = await file.writeInSlices(call, function* (tx, tenant) {
    const target: Import = { tx, tenant, now: file.now(), batch: newBatch(tx) };
    const all: GroupVerdict[] = [];
    for (const group of batch.groups) all.push(yield* importGroup(target, group, batch.onConflict));
    return { verdicts: all, left: hasGarbage(tx, target.batch) ? target.batch : null };
  });
  if (left !== null) await file.maintenance.sweep(call, left);
  return verdicts;
}

function* importGroup(
  target: Import,
  group: ImportGroup,
  onConflict: ImportBatch["onConflict"],
): Generator<void, GroupVerdict, void> {
  const { subject, continued, rows } = group;
  const verdict = continued ?? verdictOn(target, subject, onConflict);
  if (verdict === "skipped") return verdict;
  if (continued === null) {
    if (verdict === "extended") assertExtends(target, group);
    else yield* clearPlace(target, subject);
  }
  try {
    for (const [i, row] of rows.entries()) {
      yield* storeRow(target, group, row, verdict, () => doubledId(group, i));
      if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    }
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw new ConflictError(`${subjectName(subject)} was written to while it was imported`, { cause: error });
  }
  countRows(target, subject, rows);
  return verdict;
}

function verdictOn(target: Import, subject: ImportSubject, onConflict: ImportBatch["onConflict"]): GroupVerdict {
  const { tx, tenant } = target;
  if (subject.kind === "task_context" && findContext(tx, tenant, subject.id) === undefined) return "skipped";
  if (!isStored(target, subject)) return "imported";
  if (onConflict === "error") throw new ConflictError(`${subjectName(subject)} is already stored`);
  if (onConflict === "extend") return subject.kind === "item" ? "replaced" : "extended";
  return onConflict === "replace" ? "replaced" : "skipped";
}

/** @throws ConflictError */
function assertExtends({ tx, tenant, now }: Import, group: ImportGroup): void {
  const { subject } = group;
  switch (subject.kind) {
    case "session": {
      const { context, ...stored } = existingSession(tx, tenant, subject.id, now);
      assertExtendsSession({ ...stored, contextId: context === null ? null : contextName(tx, context) }, group);
      return;
    }
    case "thread": {
      const stored = liveThread(tx, tenant, subject.id, now);
      if (stored !== undefined) assertExtendsThread(stored, group);
      return;
    }
    case "task_context": {
      const context = findContext(tx, tenant, subject.id);
      if (context !== undefined) assertExtendsContext(newestVersion(tx, context), group);
      return;
    }
    case "item":
  }
}

function isStored({ tx, tenant, now }: Import, subject: ImportSubject): boolean {
  switch (subject.kind) {
    case "session":
      return liveHead(tx, tenant, subject.id, now) !== undefined;
    case "task_context": {
      const context = findContext(tx, tenant, subject.id);
      return context !== undefined && newestVersion(tx, context) > 0;
    }
    case "thread":
      return liveThread(tx, tenant, subject.id, now) !== undefined;
    case "item": {
      const item = findItemHead(tx, tenant, subject.namespace, subject.key);
      return item !== undefined && !isItemExpired(item, now);
    }
  }
}

/** Removes the stored subject whole, or what is left of an expired one. */
function* clearPlace({ tx, tenant, batch }: Import, subject: ImportSubject): Generator<void, void, void> {
  switch (subject.kind) {
    case "session": {
      const session = sessionHead(tx, tenant, subject.id);
      if (session !== undefined) discardSession(tx, batch, { ...session, tenant });
      return;
    }
    case "task_context": {
      const context = findContext(tx, tenant, subject.id);
      if (context === undefined) return;
      yield* dropVersions(tx, context, Number.MAX_SAFE_INTEGER);
      tx.run("UPDATE contexts SET newest_version = 0 WHERE id = ?", context);
      return;
    }
    case "thread": {
      const thread = findThread(tx, tenant, subject.id);
      if (thread !== undefined) discardThread(tx, batch, { ...thread, tenant });
      return;
    }
    case "item":
      deleteItem(tx, tenant, subject.namespace, subject.key);
  }
}

/** A row whose subject was deleted between two batches goes with it. */
function* storeRow(
  target: Import,
  { subject }: ImportGroup,
  row: ImportRow,
  verdict: GroupVerdict,
  doubled: () => InvalidArgumentError,
): Generator<void, void, void> {
  const { tx, tenant } = target;
  switch (row.kind) {
    case "session": {
      const stored = sessionHead(tx, tenant, row.session.sessionId);
      if (stored !== undefined) {
        const { messageCount } = stored;
        changeSession(tx, stored.id, { ...row.session, messageCount });
        tx.run("UPDATE sessions SET last_seq = ? WHERE id = ?", row.session.lastSeq, stored.id);
        return;
      }
      const context = row.contextId === null ? null : contextNamed(target, row.contextId);
      insertSession(tx, tenant, { ...row.session, messageCount: 0 }, context);
      return;
    }
    case "task_context": {
      const context = findContext(tx, tenant, idOf(subject));
      if (context === undefined) return;
      putVersion(tx, context, row, yield* storeIfLong(tx, row.context, row.metadata));
      return;
    }
    case "thread": {
      const stored = findThread(tx, tenant, idOf(subject));
      if (stored !== undefined) {
        const change = "UPDATE threads SET updated_at = ?, last_seq = ? WHERE id = ?";
        tx.run(change, row.updatedAt, row.lastSeq, stored.id);
        return;
      }
      const session = row.sessionId === null ? null : (sessionHead(tx, tenant, row.sessionId)?.id ?? null);
      insertThread(tx, tenant, { ...row, threadId: idOf(subject), session, checkpointCount: 0 });
      return;
    }
    case "item":
      if (row.vectors !== null) assertDimensionsFit(tx, tenant, row.item, row.vectors.dimensions);
      putItem(tx, tenant, undefined, row.item, row.vectors, yield* storeIfLong(tx, row.item.value));
      return;
    case "message": {
      const session = sessionHead(tx, tenant, idOf(subject));
      if (session === undefined) return;
      if (hasMessage(tx, session, row.message.messageId)) throw doubled();
      const { content, metadata } = row.message;
      const long = yield* storeIfLong(tx, content, metadata);
      insertMessage(tx, session.id, row.message, isLocated(row.message), long);
      rememberRole(tx, session, row.message);
      return;
    }
    case "checkpoint": {
      const thread = findThread(tx, tenant, idOf(subject));
      if (thread === undefined) return;
      if (findCheckpoint(tx, thread.id, row.namespace, row.checkpointId) !== undefined) throw doubled();
      const id = insertCheckpoint(tx, thread.id, row);
      yield* putState(tx, thread.id, { id }, yield* splitInSteps(encodedOf(row.data), null));
      return;
    }
    case "write": {
      const thread = findThread(tx, tenant, idOf(subject));
      if (thread === undefined) return;
      const text = yield* storeIfLong(tx, row.write.value);
      const write = text === undefined ? compactWrite(row.write) : writeInPieces(row.write, text);
      putWrite(tx, thread.id, { ...row, overwrite: verdict === "extended" }, write);
      yield;
    }
  }
}

/** The row of the whole says how many rows of its own it has. */
function countRows({ tx, tenant }: Import, subject: ImportSubject, rows: readonly ImportRow[]): void {
  const count = (kind: ImportRow["kind"]): number => rows.reduce((sum, row) => sum + (row.kind === kind ? 1 : 0), 0);
  if (subject.kind === "session") {
    tx.run(
      "UPDATE sessions SET message_count = message_count + ? WHERE tenant = ? AND session_id = ?",
      count("message"),
      tenant,
      subject.id,
    );
  } else if (subject.kind === "thread") {
    tx.run(
      "UPDATE threads SET checkpoint_count = checkpoint_count + ? WHERE tenant = ? AND thread_id = ?",
      count("checkpoint"),
      tenant,
      subject.id,
    );
  }
}

/** The context of an id, which may begin here; one that only expired sessions have is gone with them. */
function contextNamed({ tx, tenant, now, batch }: Import, contextId: string): number {
  const stored = findContext(tx, tenant, contextId);
  if (stored === undefined) return insertContext(tx, tenant, contextId);
  for (const session of sessionsOfContext(tx, stored, 0, Number.MAX_SAFE_INTEGER)) {
    if (isExpired(session, now)) discardSession(tx, batch, { ...session, tenant });
  }
  return findContext(tx, tenant, contextId) ?? insertContext(tx, tenant, contextId);
}

function idOf(subject: ImportSubject): string {
  return subject.kind === "item" ? subject.key : subject.id;
}
