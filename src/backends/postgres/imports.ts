/** Import into the PostgreSQL backend (P1): a batch is one transaction; rows of one kind go in one statement. */
import { ConflictError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup, ImportRow, ImportSubject } from "../../domain/driver/imports.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import { isItemExpired } from "../../domain/items.js";
import { rootOf } from "../../domain/namespaces.js";
import { doubledId, subjectName } from "../../domain/records/import-refusals.js";
import { splitState } from "../../domain/segments/split.js";
import { isExpired } from "../../domain/sessions.js";
import { putBlocks, selectNames } from "./blocks.js";
import { insertWrites, putCheckpoint } from "./checkpoints.js";
import { sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { deleteItem, type ItemRow, insertItem, selectItem } from "./item-rows.js";
import { DeclaredDimensions, insertVectors } from "./item-vectors.js";
import { insertMessages } from "./message-rows.js";
import { removeSessions, removeThread } from "./removal.js";
import { lockHead, type SessionHead, selectSession } from "./session-rows.js";
import { insertSessions } from "./sessions.js";
import type { Database } from "./store.js";
import { insertVersion } from "./task-contexts.js";
import { insertThread, isThreadGone, lockThread, type ThreadRow } from "./thread-rows.js";
import { requireVectors } from "./vector-support.js";

/** What all groups of a batch share. */
interface Import {
  readonly tx: Transaction;
  readonly tenant: string;
  readonly now: number;
  /** Of the first labels whose items bring vectors. */
  readonly dimensions: DeclaredDimensions;
}

type RowOf<Kind extends ImportRow["kind"]> = Extract<ImportRow, { readonly kind: Kind }>;

export async function importBatch(db: Database, call: Call, batch: ImportBatch): Promise<GroupVerdict[]> {
  const roots = batch.groups.flatMap(({ rows }) =>
    ofKind(rows, "item").flatMap(({ item, vectors }) => (vectors === null ? [] : [rootOf(item)])),
  );
  if (roots.length > 0) await requireVectors(db, call);
  return db.transact(call, async (tx) => {
    const { tenant } = call;
    const dimensions = await DeclaredDimensions.of(tx, tenant, roots);
    const target: Import = { tx, tenant, now: db.now(), dimensions };
    const verdicts: GroupVerdict[] = [];
    for (const group of batch.groups) {
      verdicts.push(await importGroup(target, group, batch.onConflict));
      if (call.cancelled) throw call.cancellation();
    }
    return verdicts;
  });
}

async function importGroup(
  target: Import,
  group: ImportGroup,
  onConflict: ImportBatch["onConflict"],
): Promise<GroupVerdict> {
  const { subject, continued, rows } = group;
  const place = continued === null ? await lookAt(target, subject) : "free";
  const verdict = continued ?? verdictOn(place, subject, onConflict);
  if (verdict === "skipped") return verdict;
  if (place === "taken" || place === "left") await clearPlace(target, subject);
  switch (subject.kind) {
    case "session":
      await storeSession(target, subject.id, group);
      break;
    case "task_context":
      await storeVersions(target, subject.id, rows);
      break;
    case "thread":
      await storeThread(target, subject.id, group);
      break;
    case "item":
      for (const row of rows) if (row.kind === "item") await storeItem(target, row);
  }
  return verdict;
}

/** What stands where a subject is to be: one that is there, what is left of an expired one, nothing, or a context that nobody names. */
type Place = "taken" | "left" | "free" | "unnamed";

function verdictOn(place: Place, subject: ImportSubject, onConflict: ImportBatch["onConflict"]): GroupVerdict {
  if (place === "unnamed") return "skipped";
  if (place !== "taken") return "imported";
  if (onConflict === "error") throw new ConflictError(`${subjectName(subject)} is already stored`);
  return onConflict === "replace" ? "replaced" : "skipped";
}

async function lookAt(target: Import, subject: ImportSubject): Promise<Place> {
  const { tx, tenant, now } = target;
  switch (subject.kind) {
    case "session": {
      const session = await tx.get<SessionHead>(lockHead(tenant, subject.id));
      if (session === undefined) return "free";
      return isExpired(session, now) ? "left" : "taken";
    }
    case "task_context": {
      const newest = await newestOf(target, subject.id);
      if (newest === undefined) return "unnamed";
      return newest > 0 ? "taken" : "free";
    }
    case "thread": {
      const thread = await tx.get<ThreadRow>(lockThread(tenant, subject.id));
      if (thread === undefined) return "free";
      return isThreadGone(thread, now) ? "left" : "taken";
    }
    case "item": {
      const item = await tx.get<ItemRow>(selectItem(tenant, subject));
      if (item === undefined) return "free";
      return isItemExpired(item, now) ? "left" : "taken";
    }
  }
}

/** The newest version of a context, 0 for none; `undefined` when no session names it. */
async function newestOf({ tx, tenant }: Import, contextId: string): Promise<number | undefined> {
  const row = await tx.get<{ version: number }>(
    sql`SELECT newest_version AS version FROM @contexts WHERE tenant = ${tenant} AND context_id = ${contextId}
      FOR NO KEY UPDATE`,
  );
  return row?.version;
}

/** Removes the stored subject whole, or what is left of an expired one. */
async function clearPlace({ tx, tenant }: Import, subject: ImportSubject): Promise<void> {
  switch (subject.kind) {
    case "session":
      return removeSessions(tx, tenant, [subject.id]);
    case "task_context":
      tx.run(sql`DELETE FROM @context_versions WHERE tenant = ${tenant} AND context_id = ${subject.id}`);
      tx.run(sql`UPDATE @contexts SET newest_version = 0 WHERE tenant = ${tenant} AND context_id = ${subject.id}`);
      return;
    case "thread":
      return removeThread(tx, tenant, subject.id);
    case "item":
      tx.run(deleteItem(tenant, subject));
  }
}

async function storeSession(target: Import, sessionId: string, group: ImportGroup): Promise<void> {
  const { rows } = group;
  const { tx, tenant } = target;
  const [session] = ofKind(rows, "session");
  const messages = ofKind(rows, "message").map(({ message }) => message);
  if (session !== undefined) {
    tx.run(insertSessions(tenant, [{ ...session.session, messageCount: messages.length }]));
    if (session.contextId !== null) {
      await beginContext(target, session.contextId);
      tx.run(sql`UPDATE @sessions SET context_id = ${session.contextId}
        WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
    }
  } else if ((await tx.get<SessionHead>(lockHead(tenant, sessionId))) === undefined) {
    // It was deleted between two batches: its messages go with it.
    return;
  }
  if (messages.length === 0) return;
  await refuseDoubles(target, sessionId, group);
  tx.run(insertMessages(tenant, sessionId, messages));
  if (session === undefined) {
    tx.run(sql`UPDATE @sessions SET message_count = message_count + ${messages.length}
      WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
  }
}

async function refuseDoubles({ tx, tenant }: Import, sessionId: string, group: ImportGroup): Promise<void> {
  const messages = ofKind(group.rows, "message").map(({ message }) => message);
  const ids = messages.map(({ messageId }) => messageId);
  const seqs = messages.map(({ seq }) => seq);
  const stored = await tx.query<{ messageId: string }>(
    sql`SELECT message_id AS "messageId" FROM @messages WHERE tenant = ${tenant} AND session_id = ${sessionId}
      AND (message_id = ANY(${ids}::text[]) OR seq = ANY(${seqs}::bigint[]))`,
  );
  const known = new Set(stored.map(({ messageId }) => messageId));
  for (const [i, row] of group.rows.entries()) {
    if (row.kind !== "message") continue;
    if (known.has(row.message.messageId)) throw doubledId(group, i);
    known.add(row.message.messageId);
  }
  if (stored.length > 0 || new Set(seqs).size < seqs.length) throw writtenMeanwhile(group.subject);
}

/** The context of an id, which may begin here; one that only expired sessions have is gone with them. */
async function beginContext({ tx, tenant, now }: Import, contextId: string): Promise<void> {
  const sharers = await tx.query<{ sessionId: string; updatedAt: number; ttlMs: number | null }>(
    sql`SELECT session_id AS "sessionId", updated_at AS "updatedAt", ttl_ms AS "ttlMs" FROM @sessions
      WHERE tenant = ${tenant} AND context_id = ${contextId}`,
  );
  const expired = sharers.filter((session) => isExpired(session, now)).map(({ sessionId }) => sessionId);
  if (expired.length > 0) await removeSessions(tx, tenant, expired);
  tx.run(sql`INSERT INTO @contexts (tenant, context_id, newest_version) VALUES (${tenant}, ${contextId}, 0)
    ON CONFLICT (tenant, context_id) DO NOTHING`);
}

async function storeVersions(target: Import, contextId: string, rows: readonly ImportRow[]): Promise<void> {
  const { tx, tenant } = target;
  const newest = await newestOf(target, contextId);
  if (newest === undefined) return;
  let last = newest;
  for (const row of ofKind(rows, "task_context")) {
    tx.run(insertVersion(tenant, contextId, row));
    last = row.version;
  }
  tx.run(sql`UPDATE @contexts SET newest_version = ${last} WHERE tenant = ${tenant} AND context_id = ${contextId}`);
}

async function storeThread(target: Import, threadId: string, group: ImportGroup): Promise<void> {
  const { rows } = group;
  const { tx, tenant } = target;
  const [thread] = ofKind(rows, "thread");
  const checkpoints = ofKind(rows, "checkpoint");
  if (thread !== undefined) {
    const { sessionId } = thread;
    const session = sessionId === null ? undefined : await tx.get<SessionHead>(selectSession(tenant, sessionId));
    insertThread(tx, tenant, {
      ...thread,
      threadId,
      sessionId: session === undefined ? null : sessionId,
      checkpointCount: checkpoints.length,
    });
  } else if ((await tx.get<ThreadRow>(lockThread(tenant, threadId))) === undefined) {
    return;
  }
  for (const [i, row] of rows.entries())
    if (row.kind === "checkpoint") await storeCheckpoint(target, threadId, group, row, i);
  if (thread === undefined && checkpoints.length > 0) {
    tx.run(sql`UPDATE @threads SET checkpoint_count = checkpoint_count + ${checkpoints.length}
      WHERE tenant = ${tenant} AND thread_id = ${threadId}`);
  }
  const writes = Map.groupBy(ofKind(rows, "write"), ({ namespace, checkpointId }) => `${namespace}\0${checkpointId}`);
  for (const some of writes.values()) {
    const { namespace, checkpointId } = some[0] as RowOf<"write">;
    const values: StoredWrite[] = some.map(({ write }) => write);
    tx.run(insertWrites(tenant, threadId, { namespace, checkpointId, overwrite: false }, values));
  }
}

async function storeItem({ tx, tenant, dimensions }: Import, { item, vectors }: RowOf<"item">): Promise<void> {
  if (vectors !== null) await dimensions.declare(rootOf(item), vectors.dimensions);
  tx.run(insertItem(tenant, item));
  if (vectors !== null) insertVectors(tx, tenant, { ...item, vectors });
}

async function storeCheckpoint(
  { tx, tenant }: Import,
  threadId: string,
  group: ImportGroup,
  row: RowOf<"checkpoint">,
  position: number,
): Promise<void> {
  const state = splitState(row.data);
  const blocks = [...state.newBlocks(() => false)];
  const [stored, names] = await Promise.all([
    tx.get<{ checkpointId: string; namespace: string }>(
      sql`SELECT checkpoint_id AS "checkpointId", namespace FROM @checkpoints
        WHERE tenant = ${tenant} AND thread_id = ${threadId}
          AND (seq = ${row.seq} OR (namespace = ${row.namespace} AND checkpoint_id = ${row.checkpointId}))
        ORDER BY (namespace = ${row.namespace} AND checkpoint_id = ${row.checkpointId}) DESC LIMIT 1`,
    ),
    tx.query<{ name: Buffer }>(
      selectNames(
        tenant,
        threadId,
        blocks.map(({ name }) => name),
      ),
    ),
  ]);
  if (stored?.checkpointId === row.checkpointId && stored.namespace === row.namespace) {
    throw doubledId(group, position);
  }
  if (stored !== undefined) throw writtenMeanwhile(group.subject);
  const known = new Set(names.map(({ name }) => name.toString("hex")));
  const missing = blocks.filter(({ name }) => !known.has(name));
  putBlocks(tx, tenant, threadId, missing);
  const brought = state.root === null ? 0 : missing.length + 1;
  tx.run(putCheckpoint(tenant, threadId, row, { manifest: state.manifest, root: state.root, blocks: brought }));
}

function ofKind<Kind extends ImportRow["kind"]>(rows: readonly ImportRow[], kind: Kind): RowOf<Kind>[] {
  return rows.filter((row): row is RowOf<Kind> => row.kind === kind);
}

function writtenMeanwhile(subject: ImportSubject): ConflictError {
  return new ConflictError(`${subjectName(subject)} was written to while it was imported`);
}
