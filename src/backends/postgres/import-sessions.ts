/** Sessions with their messages on their way into the PostgreSQL backend: those of a batch together (P1). */
import type { GroupVerdict, ImportGroup, ImportSubject } from "../../domain/driver/imports.js";
import type { StoredMessage, StoredSession } from "../../domain/driver/stored.js";
import { assertExtendsSession, type ExtendedSession } from "../../domain/records/extension.js";
import { doubledId } from "../../domain/records/import-refusals.js";
import { isExpired } from "../../domain/sessions.js";
import { sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { type Import, ofKind, verdictOn, writtenMeanwhile } from "./import-target.js";
import { insertMessagesOf, selectByIds } from "./message-rows.js";
import { removeSessions } from "./removal.js";
import { changeSession } from "./session-rows.js";
import { insertSessions } from "./sessions.js";

/** A group whose rows are stored. */
interface Stored {
  readonly sessionId: string;
  readonly group: ImportGroup;
  readonly messages: readonly StoredMessage[];
}

/**
 * Groups of sessions, each another one.
 * @throws ConflictError, InvalidArgumentError
 */
export async function importSessions(target: Import, groups: readonly ImportGroup[]): Promise<GroupVerdict[]> {
  const { tx, tenant, now, onConflict } = target;
  const ids = groups.map(({ subject }) => sessionIdOf(subject));
  const heads = await tx.query<ExtendedSession & { readonly sessionId: string; readonly updatedAt: number }>(
    sql`SELECT session_id AS "sessionId", user_id AS "userId", created_at AS "createdAt", updated_at AS "updatedAt",
        ttl_ms AS "ttlMs", context_id AS "contextId", last_seq AS "lastSeq" FROM @sessions
      WHERE tenant = ${tenant} AND session_id = ANY(${ids}::text[]) ORDER BY session_id FOR NO KEY UPDATE`,
  );
  const there = new Map(heads.map((head) => [head.sessionId, head]));
  const verdicts: GroupVerdict[] = [];
  const removed: string[] = [];
  const beginning: Stored[] = [];
  const continuing: Stored[] = [];
  const extended: StoredSession[] = [];
  for (const [i, group] of groups.entries()) {
    const sessionId = ids[i] ?? "";
    const head = there.get(sessionId);
    const place = head === undefined ? "free" : isExpired(head, now) ? "left" : "taken";
    const verdict = group.continued ?? verdictOn(place, group.subject, onConflict);
    verdicts.push(verdict);
    if (verdict === "skipped") continue;
    const stored = { sessionId, group, messages: ofKind(group.rows, "message").map(({ message }) => message) };
    if (verdict === "extended" && head !== undefined) {
      continuing.push(stored);
      if (group.continued !== null) continue;
      assertExtendsSession(head, group);
      // How many messages it has is counted as they come.
      for (const { session } of ofKind(group.rows, "session")) extended.push({ ...session, messageCount: 0 });
    } else if (group.continued === null) {
      beginning.push(stored);
      if (head !== undefined) removed.push(sessionId);
    } else if (head !== undefined) {
      continuing.push(stored);
    }
    // Else it was deleted between two batches: its messages go with it.
  }
  if (removed.length > 0) await removeSessions(tx, tenant, removed);
  for (const each of [...beginning, ...continuing]) refuseDoublesWithin(each);
  for (const session of extended) {
    changeSession(tx, tenant, session);
    tx.run(
      sql`UPDATE @sessions SET last_seq = ${session.lastSeq} WHERE tenant = ${tenant} AND session_id = ${session.sessionId}`,
    );
  }
  await storeRows(target, beginning, continuing);
  for (const { sessionId, group } of beginning) {
    const [session] = ofKind(group.rows, "session");
    if (session?.contextId == null) continue;
    await beginContext(target, session.contextId);
    tx.run(sql`UPDATE @sessions SET context_id = ${session.contextId}
      WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
  }
  return verdicts;
}

function sessionIdOf(subject: ImportSubject): string {
  if (subject.kind !== "session") throw new Error("a group of another kind among sessions");
  return subject.id;
}

async function storeRows(
  { tx, tenant }: Import,
  beginning: readonly Stored[],
  continuing: readonly Stored[],
): Promise<void> {
  const sessions = beginning.flatMap(({ group, messages }) =>
    ofKind(group.rows, "session").map(({ session }) => ({ ...session, messageCount: messages.length })),
  );
  if (sessions.length > 0) tx.run(insertSessions(tenant, sessions));
  for (const { sessionId, messages } of continuing) {
    tx.run(sql`UPDATE @sessions SET message_count = message_count + ${messages.length}
      WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
  }
  const rows = [...beginning, ...continuing].flatMap(({ sessionId, messages }) =>
    messages.map((message) => ({ sessionId, message })),
  );
  if (rows.length === 0) return;
  const [taken] = await tx.query<Taken>(insertMessagesOf(tenant, rows));
  if (taken !== undefined) await refuseTaken(tx, tenant, taken, continuing);
}

function refuseDoublesWithin({ group }: Stored): void {
  const ids = new Set<string>();
  const seqs = new Set<number>();
  for (const [i, row] of group.rows.entries()) {
    if (row.kind !== "message") continue;
    if (ids.has(row.message.messageId)) throw doubledId(group, i);
    ids.add(row.message.messageId);
    if (seqs.has(row.message.seq)) throw writtenMeanwhile(group.subject);
    seqs.add(row.message.seq);
  }
}

/** A message that was not stored: its session has one of the same id or place from a batch before, or from somebody else. */
interface Taken {
  readonly sessionId: string;
  readonly seq: number;
}

async function refuseTaken(
  tx: Transaction,
  tenant: string,
  taken: Taken,
  continuing: readonly Stored[],
): Promise<void> {
  const { group } = continuing.find(({ sessionId }) => sessionId === taken.sessionId) ?? {};
  if (group === undefined) throw new Error("a new session has a message");
  const position = group.rows.findIndex((row) => row.kind === "message" && row.message.seq === taken.seq);
  const row = group.rows[position];
  const stored =
    row?.kind === "message" && (await tx.get(selectByIds(tenant, taken.sessionId, [row.message.messageId])));
  throw stored ? doubledId(group, position) : writtenMeanwhile(group.subject);
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
