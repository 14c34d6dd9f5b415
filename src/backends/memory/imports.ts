/** Import into the memory backend (P1). All that may refuse a batch is asked first, so that nothing has to be undone. */
import { ConflictError } from "../../contract/errors.js";
import { encodedOf } from "../../domain/codec/long-text.js";
import type { Call } from "../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup, ImportRow, ImportSubject } from "../../domain/driver/imports.js";
import { isItemExpired } from "../../domain/items.js";
import { rootOf } from "../../domain/namespaces.js";
import { comparableVectors } from "../../domain/nearest.js";
import { assertExtendsContext, assertExtendsSession, assertExtendsThread } from "../../domain/records/extension.js";
import { doubledId, subjectName } from "../../domain/records/import-refusals.js";
import { Slices } from "../../domain/slices.js";
import { assertDimensions } from "../../domain/vectors.js";
import { alone } from "./alone.js";
import { findCheckpoint } from "./checkpoints.js";
import { findMessage, keepMessage } from "./conversations.js";
import {
  insertSession,
  joinContext,
  removeExpiredThread,
  removingExpiredSession,
  removingSession,
  setSession,
} from "./session-entries.js";
import type { ContextEntry, MemoryStore, Tenant, ThreadEntry } from "./state.js";
import { enter, liveContext, liveSession, liveThread } from "./state.js";
import { insertThread, keepSplitCheckpoint, keepWrite, removeThread, setThread } from "./thread-entries.js";

export async function importBatch(store: MemoryStore, call: Call, batch: ImportBatch): Promise<GroupVerdict[]> {
  const { tenant, now } = enter(store, call);
  return alone(tenant, async () => {
    refuseConflicts(tenant, batch, now);
    const slices = new Slices(call);
    const verdicts: GroupVerdict[] = [];
    for (const group of batch.groups) {
      const verdict = group.continued ?? verdictOn(tenant, group.subject, batch.onConflict, now);
      if (verdict !== "skipped") await slices.finish(importGroup(tenant, group, verdict, now));
      verdicts.push(verdict);
      if (slices.over()) await slices.pause();
    }
    return verdicts;
  });
}

/** @throws ConflictError, InvalidArgumentError */
function refuseConflicts(tenant: Tenant, { onConflict, groups }: ImportBatch, now: number): void {
  const begun = new Set<string>();
  const dimensions = new Map<string, number>();
  for (const group of groups) {
    if (onConflict === "extend" && group.continued === null) refuseOther(tenant, group, now);
    refuseDoubles(tenant, group, onConflict === "extend" && isStored(tenant, group.subject, now));
    if (onConflict !== "skip" || !isStored(tenant, group.subject, now)) refuseDimensions(tenant, group, dimensions);
    if (onConflict !== "error" || group.continued !== null) continue;
    const key = JSON.stringify(group.subject);
    if (begun.has(key) || isStored(tenant, group.subject, now)) {
      throw new ConflictError(`${subjectName(group.subject)} is already stored`);
    }
    begun.add(key);
  }
}

/** What is stored has to be what the rows go on from. @throws ConflictError */
function refuseOther(tenant: Tenant, group: ImportGroup, now: number): void {
  const { subject } = group;
  switch (subject.kind) {
    case "session": {
      const stored = liveSession(tenant, subject.id, now);
      const contextId = stored?.context?.contextId ?? null;
      if (stored !== undefined) assertExtendsSession({ ...stored.row, contextId }, group);
      return;
    }
    case "thread": {
      const stored = liveThread(tenant, subject.id, now);
      if (stored !== undefined) assertExtendsThread({ ...stored.row, lastSeq: stored.lastSeq }, group);
      return;
    }
    case "task_context":
      assertExtendsContext(liveContext(tenant, subject.id, now)?.versions.at(-1)?.version ?? 0, group);
      return;
    case "item":
  }
}

/** Vectors have to fit those that are stored, and the earlier ones of the batch (M4). */
function refuseDimensions(tenant: Tenant, { rows }: ImportGroup, ofBatch: Map<string, number>): void {
  for (const row of rows) {
    if (row.kind !== "item" || row.vectors === null) continue;
    const root = rootOf(row.item);
    assertDimensions(root, tenant.dimensions.get(root) ?? ofBatch.get(root), row.vectors.dimensions);
    ofBatch.set(root, row.vectors.dimensions);
  }
}

function* importGroup(
  tenant: Tenant,
  { subject, continued, rows }: ImportGroup,
  verdict: GroupVerdict,
  now: number,
): Generator<void, void, void> {
  if (continued === null && verdict !== "extended") yield* clearPlace(tenant, subject, now);
  for (const row of rows) {
    const thread = subject.kind === "thread" ? tenant.threads.get(subject.id) : undefined;
    if (row.kind === "checkpoint" && thread !== undefined) yield* storeCheckpoint(thread, row);
    else yield* storeRow(tenant, subject, row, verdict, now);
    yield;
  }
  countRows(tenant, subject);
}

function verdictOn(
  tenant: Tenant,
  subject: ImportSubject,
  onConflict: ImportBatch["onConflict"],
  now: number,
): GroupVerdict {
  if (subject.kind === "task_context" && liveContext(tenant, subject.id, now) === undefined) return "skipped";
  if (!isStored(tenant, subject, now)) return "imported";
  if (onConflict === "extend") return subject.kind === "item" ? "replaced" : "extended";
  return onConflict === "replace" ? "replaced" : "skipped";
}

function isStored(tenant: Tenant, subject: ImportSubject, now: number): boolean {
  switch (subject.kind) {
    case "session":
      return liveSession(tenant, subject.id, now) !== undefined;
    case "task_context":
      return (liveContext(tenant, subject.id, now)?.versions.length ?? 0) > 0;
    case "thread":
      return liveThread(tenant, subject.id, now) !== undefined;
    case "item": {
      const item = tenant.items.get(subject);
      return item !== undefined && !isItemExpired(item, now);
    }
  }
}

/** Removes the stored subject whole, or what is left of an expired one. */
function* clearPlace(tenant: Tenant, subject: ImportSubject, now: number): Generator<void, void, void> {
  switch (subject.kind) {
    case "session": {
      const session = tenant.sessions.get(subject.id);
      if (session !== undefined) yield* removingSession(tenant, session);
      return;
    }
    case "task_context": {
      const context = tenant.contexts.get({ contextId: subject.id });
      if (context !== undefined) context.versions = [];
      return;
    }
    case "thread": {
      removeExpiredThread(tenant, subject.id, now);
      const thread = tenant.threads.get(subject.id);
      if (thread !== undefined) removeThread(tenant, thread);
      return;
    }
    case "item":
      tenant.items.delete(subject);
  }
}

/** What rows of their own count is said by the row of the whole. */
function countRows(tenant: Tenant, subject: ImportSubject): void {
  const session = subject.kind === "session" ? tenant.sessions.get(subject.id) : undefined;
  if (session !== undefined) {
    setSession(tenant, session, { ...session.row, messageCount: session.conversation?.messages.length ?? 0 });
  }
  const thread = subject.kind === "thread" ? tenant.threads.get(subject.id) : undefined;
  if (thread !== undefined) {
    setThread(tenant, thread, { ...thread.row, checkpointCount: thread.checkpoints.length });
  }
}

/** A row whose subject was deleted between two batches goes with it. */
function* storeRow(
  tenant: Tenant,
  subject: ImportSubject,
  row: ImportRow,
  verdict: GroupVerdict,
  now: number,
): Generator<void, void, void> {
  if (row.kind === "item") storeItem(tenant, row);
  if (subject.kind === "session") yield* storeSessionRow(tenant, subject.id, row, now);
  if (subject.kind === "thread") storeThreadRow(tenant, subject.id, row, verdict);
  const context = subject.kind === "task_context" ? tenant.contexts.get({ contextId: subject.id }) : undefined;
  if (context !== undefined && row.kind === "task_context") {
    const { kind: _kind, ...version } = row;
    context.versions = [...context.versions, version];
  }
}

function storeItem(tenant: Tenant, { item, vectors }: Extract<ImportRow, { readonly kind: "item" }>): void {
  if (vectors !== null) tenant.dimensions.set(rootOf(item), vectors.dimensions);
  tenant.items.put({ ...item, vectors: vectors === null ? null : comparableVectors(vectors) });
}

function* storeSessionRow(tenant: Tenant, sessionId: string, row: ImportRow, now: number): Generator<void, void, void> {
  const stored = tenant.sessions.get(sessionId);
  if (row.kind === "session" && stored !== undefined) {
    setSession(tenant, stored, { ...row.session, messageCount: stored.row.messageCount });
  } else if (row.kind === "session") {
    const session = insertSession(tenant, { ...row.session, messageCount: 0 });
    if (row.contextId !== null) joinContext(tenant, session, yield* contextNamed(tenant, row.contextId, now));
  }
  const session = tenant.sessions.get(sessionId);
  if (row.kind === "message" && session !== undefined) keepMessage(session, row.message);
}

/** The context of an id, which may begin here; one that only expired sessions have is gone with them. */
function* contextNamed(tenant: Tenant, contextId: string, now: number): Generator<void, ContextEntry, void> {
  for (const sessionId of [...(tenant.contexts.get({ contextId })?.sessions ?? [])]) {
    yield* removingExpiredSession(tenant, sessionId, now);
  }
  const stored = tenant.contexts.get({ contextId });
  if (stored !== undefined) return stored;
  const context: ContextEntry = { contextId, versions: [], sessions: new Set() };
  tenant.contexts.add(context);
  return context;
}

function storeThreadRow(tenant: Tenant, threadId: string, row: ImportRow, verdict: GroupVerdict): void {
  const stored = tenant.threads.get(threadId);
  if (row.kind === "thread" && stored !== undefined) {
    setThread(tenant, stored, { ...stored.row, updatedAt: row.updatedAt });
    stored.lastSeq = row.lastSeq;
  } else if (row.kind === "thread") {
    const { createdAt, updatedAt, lastSeq } = row;
    const sessionId = row.sessionId !== null && tenant.sessions.has(row.sessionId) ? row.sessionId : null;
    insertThread(tenant, { threadId, sessionId, checkpointCount: 0, createdAt, updatedAt }).lastSeq = lastSeq;
  }
  const thread = tenant.threads.get(threadId);
  if (thread === undefined) return;
  if (row.kind === "write") keepWrite(thread, row.namespace, row.checkpointId, row.write, verdict === "extended");
}

function* storeCheckpoint(
  thread: ThreadEntry,
  { kind: _kind, data, ...checkpoint }: Extract<ImportRow, { readonly kind: "checkpoint" }>,
): Generator<void, void, void> {
  const state = yield* thread.blocks.split(encodedOf(data), checkpoint.namespace);
  yield* state.packInSteps((name) => thread.blocks.has(name));
  yield* keepSplitCheckpoint(thread, { ...checkpoint, writes: null }, state);
}

/** Ids that must be distinct within a subject. @throws InvalidArgumentError */
function refuseDoubles(tenant: Tenant, group: ImportGroup, isExtended: boolean): void {
  const { subject, continued, rows } = group;
  const seen = new Set<string>();
  for (const [position, row] of rows.entries()) {
    const key = keyWithin(row);
    if (key === null) continue;
    const goesOn = isExtended || (continued !== null && continued !== "skipped");
    if (seen.has(key) || (goesOn && isKept(tenant, subject, row))) {
      throw doubledId(group, position);
    }
    seen.add(key);
  }
}

function keyWithin(row: ImportRow): string | null {
  if (row.kind === "message") return row.message.messageId;
  return row.kind === "checkpoint" ? JSON.stringify([row.namespace, row.checkpointId]) : null;
}

function isKept(tenant: Tenant, subject: ImportSubject, row: ImportRow): boolean {
  if (subject.kind === "session" && row.kind === "message") {
    const session = tenant.sessions.get(subject.id);
    return session !== undefined && findMessage(session, row.message.messageId) !== undefined;
  }
  if (subject.kind === "thread" && row.kind === "checkpoint") {
    const thread = tenant.threads.get(subject.id);
    return thread !== undefined && findCheckpoint(thread, row.namespace, row.checkpointId) !== undefined;
  }
  return false;
}
