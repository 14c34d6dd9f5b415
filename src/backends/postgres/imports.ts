/** Import into the PostgreSQL backend (P1): a batch is one transaction; rows of one kind go in one statement. */
import type { Call } from "../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup, ImportRow, ImportSubject } from "../../domain/driver/imports.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import { isItemExpired } from "../../domain/items.js";
import { rootOf } from "../../domain/namespaces.js";
import { assertExtendsContext, assertExtendsThread } from "../../domain/records/extension.js";
import { doubledId, subjectName } from "../../domain/records/import-refusals.js";
import { splitState } from "../../domain/segments/split.js";
import { putBlocks, selectNames } from "./blocks.js";
import { insertWrites } from "./checkpoints.js";
import { sql } from "./connection/sql.js";
import { importSessions } from "./import-sessions.js";
import { type Import, ofKind, type Place, type RowOf, verdictOn, writtenMeanwhile } from "./import-target.js";
import { deleteItem, type ItemRow, insertItem, selectItem } from "./item-rows.js";
import { DeclaredDimensions, insertVectors } from "./item-vectors.js";
import { removeThread } from "./removal.js";
import { type SessionHead, selectSession } from "./session-rows.js";
import type { Database } from "./store.js";
import { putCheckpoint } from "./storing.js";
import { insertVersion } from "./task-contexts.js";
import { insertThread, isThreadGone, lockThread } from "./thread-rows.js";
import { requireVectors } from "./vector-support.js";

export async function importBatch(db: Database, call: Call, batch: ImportBatch): Promise<GroupVerdict[]> {
  const roots = batch.groups.flatMap(({ rows }) =>
    ofKind(rows, "item").flatMap(({ item, vectors }) => (vectors === null ? [] : [rootOf(item)])),
  );
  if (roots.length > 0) await requireVectors(db, call);
  return db.transact(call, async (tx) => {
    const { tenant } = call;
    const dimensions = await DeclaredDimensions.of(tx, tenant, roots);
    const target: Import = { tx, tenant, now: db.now(), onConflict: batch.onConflict, dimensions };
    const verdicts: GroupVerdict[] = [];
    for (const run of runsOf(batch.groups)) {
      verdicts.push(...(await importRun(target, run)));
      if (call.cancelled) throw call.cancellation();
    }
    return verdicts;
  });
}

/** Groups of one kind that follow each other: what is asked about them is asked at once. */
function runsOf(groups: readonly ImportGroup[]): ImportGroup[][] {
  const runs: ImportGroup[][] = [];
  let subjects = new Set<string>();
  for (const group of groups) {
    const run = runs.at(-1);
    const subject = subjectName(group.subject);
    // A subject that stands twice finds what it has stored before.
    if (run?.[0]?.subject.kind === group.subject.kind && !subjects.has(subject)) run.push(group);
    else {
      runs.push([group]);
      subjects = new Set();
    }
    subjects.add(subject);
  }
  return runs;
}

async function importRun(target: Import, run: readonly ImportGroup[]): Promise<GroupVerdict[]> {
  if (run[0]?.subject.kind === "session") return importSessions(target, run);
  const others = run.filter(isOther);
  const places = await Promise.all(
    others.map(({ subject, continued }) => (continued === null ? lookAt(target, subject) : "free")),
  );
  const verdicts: GroupVerdict[] = [];
  for (const [i, group] of others.entries()) verdicts.push(await importGroup(target, group, places[i] ?? "free"));
  return verdicts;
}

/** A group of anything but a session. */
type OtherGroup = ImportGroup & { readonly subject: OtherSubject };
type OtherSubject = Exclude<ImportSubject, { readonly kind: "session" }>;

function isOther(group: ImportGroup): group is OtherGroup {
  return group.subject.kind !== "session";
}

async function importGroup(target: Import, group: OtherGroup, place: Place): Promise<GroupVerdict> {
  const { subject, continued, rows } = group;
  const verdict = continued ?? verdictOn(place, subject, target.onConflict);
  if (verdict === "skipped") return verdict;
  const isExtended = verdict === "extended";
  if (isExtended && continued === null) await assertExtends(target, group);
  else if (place === "taken" || place === "left") await clearPlace(target, subject);
  switch (subject.kind) {
    case "task_context":
      await storeVersions(target, subject.id, rows);
      break;
    case "thread":
      await storeThread(target, subject.id, group, isExtended);
      break;
    case "item":
      for (const row of rows) if (row.kind === "item") await storeItem(target, row);
  }
  return verdict;
}

/** @throws ConflictError */
async function assertExtends(target: Import, group: OtherGroup): Promise<void> {
  const { subject } = group;
  if (subject.kind === "task_context") {
    assertExtendsContext((await newestOf(target, subject.id)) ?? 0, group);
  } else if (subject.kind === "thread") {
    const stored = await lockThread(target.tx, target.tenant, subject.id);
    if (stored !== undefined) assertExtendsThread(stored, group);
  }
}

/** What is asked of several subjects at once travels together. */
async function lookAt(target: Import, subject: OtherSubject): Promise<Place> {
  const { tx, tenant, now } = target;
  switch (subject.kind) {
    case "task_context": {
      const newest = await newestOf(target, subject.id);
      if (newest === undefined) return "unnamed";
      return newest > 0 ? "taken" : "free";
    }
    case "thread": {
      const thread = await lockThread(tx, tenant, subject.id);
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
async function clearPlace({ tx, tenant }: Import, subject: OtherSubject): Promise<void> {
  switch (subject.kind) {
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

async function storeThread(target: Import, threadId: string, group: ImportGroup, isExtended: boolean): Promise<void> {
  const { rows } = group;
  const { tx, tenant } = target;
  const [thread] = ofKind(rows, "thread");
  const checkpoints = ofKind(rows, "checkpoint");
  const isNew = thread !== undefined && !isExtended;
  if (thread !== undefined && isExtended) {
    tx.run(sql`UPDATE @threads SET updated_at = ${thread.updatedAt}, last_seq = ${thread.lastSeq}
      WHERE tenant = ${tenant} AND thread_id = ${threadId}`);
  } else if (thread !== undefined) {
    const { sessionId } = thread;
    const session = sessionId === null ? undefined : await tx.get<SessionHead>(selectSession(tenant, sessionId));
    insertThread(tx, tenant, {
      ...thread,
      threadId,
      sessionId: session === undefined ? null : sessionId,
      checkpointCount: checkpoints.length,
    });
  } else if ((await lockThread(tx, tenant, threadId)) === undefined) {
    return;
  }
  for (const [i, row] of rows.entries())
    if (row.kind === "checkpoint") await storeCheckpoint(target, threadId, group, row, i);
  if (!isNew && checkpoints.length > 0) {
    tx.run(sql`UPDATE @threads SET checkpoint_count = checkpoint_count + ${checkpoints.length}
      WHERE tenant = ${tenant} AND thread_id = ${threadId}`);
  }
  const writes = Map.groupBy(ofKind(rows, "write"), ({ namespace, checkpointId }) => `${namespace}\0${checkpointId}`);
  for (const some of writes.values()) {
    const { namespace, checkpointId } = some[0] as RowOf<"write">;
    const values: StoredWrite[] = some.map(({ write }) => write);
    tx.run(insertWrites(tenant, threadId, { namespace, checkpointId, overwrite: isExtended }, values));
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
  const state = splitState(String(row.data));
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
