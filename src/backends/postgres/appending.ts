/** Appending messages (C1, C4): appends that come at the same moment go together, in one statement. */
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { NewStoredMessage } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { type Sql, sql } from "./connection/sql.js";
import { type Gathered, Gathering } from "./gathering.js";
import { assertFence, holdFence } from "./leases.js";
import { insertMessages, jsonTexts, selectByIds } from "./message-rows.js";
import { NOTHING } from "./session-listing.js";
import { isLive, lockHead, orNotFound, type SessionHead, unlessExpired } from "./session-rows.js";
import type { Database } from "./store.js";

/** Messages for one session. */
interface Append {
  readonly sessionId: string;
  readonly messages: readonly NewStoredMessage[];
}

/** What is longer goes alone, in characters. */
const LONGEST_SHARED = 16 * 1024;

/** Adds messages under the lease of a fence, or with those of others at the moment. */
export function appending(
  database: () => Database,
): (call: Call, append: Append, fence: FencingToken | null) => Promise<StoredMessage[]> {
  const appends = new Gathering(gathered(database));
  return (call, append, fence) => {
    if (fence !== null) return appendInTurn(database(), call, append, fence);
    return lengthOf(append) > LONGEST_SHARED ? appendAlone(database(), call, append) : appends.run(call, append);
  };
}

function gathered(database: () => Database): Gathered<Append, StoredMessage[]> {
  return {
    subjectOf: ({ sessionId }) => sessionId,
    sizeOf: lengthOf,
    fits: ({ messages }, others) => !messages.some(({ keyed }) => keyed) || !others.some(isKeyed),
    alone: (call, append) => appendAlone(database(), call, append),
    together: (call, appends) => appendTogether(database(), call, appends),
  };
}

function lengthOf({ messages }: Append): number {
  return messages.reduce((sum, { content, metadata }) => sum + content.length + metadata.length, 0);
}

function isKeyed({ messages }: Append): boolean {
  return messages.some(({ keyed }) => keyed);
}

async function appendAlone(db: Database, call: Call, append: Append): Promise<StoredMessage[]> {
  const { messages } = append;
  if (messages.length > 0) {
    const now = db.now();
    const statement = appendAtOnce(call.tenant, append, now);
    const row = statement && (await db.writeIf<{ lastSeq: number }>(call, statement));
    if (row !== undefined) return storedFrom(messages, row.lastSeq - messages.length, now);
  }
  return appendInTurn(db, call, append, null);
}

function storedFrom(messages: readonly NewStoredMessage[], before: number, now: number): StoredMessage[] {
  return messages.map(({ messageId, role, timestamp, metadata, content }, i) => ({
    seq: before + i + 1,
    messageId,
    role,
    timestamp: timestamp ?? now,
    metadata,
    content,
  }));
}

async function appendTogether(
  db: Database,
  call: Call,
  appends: readonly Append[],
): Promise<(StoredMessage[] | undefined)[]> {
  const now = db.now();
  const sessions = new Map<string, { readonly n: number; count: number }>();
  const places = appends.map(({ sessionId, messages }) => {
    let session = sessions.get(sessionId);
    if (session === undefined) {
      session = { n: sessions.size + 1, count: 0 };
      sessions.set(sessionId, session);
    }
    const place = { n: session.n, before: session.count };
    session.count += messages.length;
    return place;
  });
  const rows = await db.write<{ n: number; before: number }>(
    call,
    insertTogether(call.tenant, sessions, appends, places, now),
  );
  if (rows.length === 0) call.sent = false;
  const found = new Map(rows.map(({ n, before }) => [n, before]));
  return appends.map(({ messages }, i) => {
    const { n, before } = places[i] as (typeof places)[number];
    const inSession = found.get(n);
    return inSession === undefined ? undefined : storedFrom(messages, inSession + before, now);
  });
}

/**
 * Appends to several sessions: to those that are there, that nobody else is writing to, and that have none of the given ids. It waits for
 * nobody's lock, so that one session holds up no other, and two such statements never wait for each other.
 */
function insertTogether(
  tenant: string,
  sessions: ReadonlyMap<string, { readonly n: number; readonly count: number }>,
  appends: readonly Append[],
  places: readonly { readonly n: number; readonly before: number }[],
  now: number,
): Sql {
  const ids = [...sessions.keys()];
  const counts = [...sessions.values()].map(({ count }) => count);
  const owners: number[] = [];
  const offsets: number[] = [];
  const messages: NewStoredMessage[] = [];
  for (const [i, append] of appends.entries()) {
    const { n, before } = places[i] as (typeof places)[number];
    for (const [k, message] of append.messages.entries()) {
      owners.push(n);
      offsets.push(before + k + 1);
      messages.push(message);
    }
  }
  const column = <Field extends keyof NewStoredMessage>(field: Field): NewStoredMessage[Field][] =>
    messages.map((message) => message[field]);
  const times = messages.map(({ timestamp }) => timestamp ?? now);
  const keyed = messages.flatMap(({ keyed, messageId }, i) => (keyed ? [{ messageId, n: owners[i] as number }] : []));
  // Each id is looked up once, by its key: a join would be planned as if there were few messages.
  const taken =
    keyed.length === 0
      ? NOTHING
      : sql`taken AS MATERIALIZED (
          SELECT k.n FROM unnest(${keyed.map(({ n }) => n)}::int[], ${keyed.map(({ n }) => ids[n - 1] as string)}::text[],
              ${keyed.map(({ messageId }) => messageId)}::text[]) AS k (n, session_id, message_id),
            LATERAL (SELECT 1 FROM @messages m WHERE m.tenant = ${tenant} AND m.session_id = k.session_id
              AND m.message_id = k.message_id OFFSET 0) m),`;
  const isNew = keyed.length === 0 ? NOTHING : sql`AND w.n NOT IN (SELECT n FROM taken)`;
  return sql`WITH locked AS MATERIALIZED (
      SELECT s.session_id FROM @sessions s
      WHERE s.tenant = ${tenant} AND s.session_id = ANY(${ids}::text[]) AND ${isLive(now)}
      FOR NO KEY UPDATE SKIP LOCKED),
    ${taken}
    owner AS (
      UPDATE @sessions s SET last_seq = s.last_seq + w.count, message_count = s.message_count + w.count,
        updated_at = greatest(s.updated_at, ${now}::bigint)
      FROM locked, unnest(${ids}::text[], ${counts}::bigint[]) WITH ORDINALITY AS w (session_id, count, n)
      WHERE w.session_id = locked.session_id AND s.tenant = ${tenant} AND s.session_id = locked.session_id ${isNew}
      RETURNING s.session_id, w.n, s.last_seq - w.count AS before),
    added AS (
      INSERT INTO @messages (tenant, session_id, seq, message_id, role, timestamp, metadata, content)
      SELECT ${tenant}, owner.session_id, owner.before + new.place, new.message_id, new.role, new.timestamp, new.metadata,
        new.content
      FROM owner JOIN unnest(${owners}::int[], ${offsets}::int[], ${column("messageId")}::text[], ${column("role")}::text[],
          ${times}::bigint[], ${jsonTexts(column("metadata"))}, ${jsonTexts(column("content"))})
        AS new (n, place, message_id, role, timestamp, metadata, content) ON new.n = owner.n)
    SELECT n, before FROM owner`;
}

/**
 * The commonest append: to a session that is there, without an id that it has. It changes the session's row and adds the messages
 * in one statement, which gives no row when one of these does not hold. An id that came in between is a key that is taken: the
 * server takes the statement back, and it is sent again.
 */
function appendAtOnce(tenant: string, { sessionId, messages }: Append, now: number): Sql | undefined {
  const keys = messages.filter(({ keyed }) => keyed).map(({ messageId }) => messageId);
  if (new Set(keys).size < keys.length) return undefined;
  const count = messages.length;
  const [only] = messages;
  const isNew = keys.length === 0 ? NOTHING : sql`AND NOT EXISTS (${selectByIds(tenant, sessionId, keys)})`;
  const owner = sql`WITH owner AS (
      UPDATE @sessions s SET last_seq = last_seq + ${count}::bigint, message_count = message_count + ${count}::bigint,
        updated_at = greatest(updated_at, ${now}::bigint)
      WHERE s.tenant = ${tenant} AND s.session_id = ${sessionId} AND ${isLive(now)} ${isNew} RETURNING last_seq)`;
  const insert = sql`INSERT INTO @messages (tenant, session_id, seq, message_id, role, timestamp, metadata, content)`;
  if (count === 1 && only !== undefined) {
    return sql`${owner} ${insert} SELECT ${tenant}, ${sessionId}, last_seq, ${only.messageId}, ${only.role},
        ${only.timestamp ?? now}::bigint, ${only.metadata}, ${String(only.content)} FROM owner
      RETURNING seq AS "lastSeq"`;
  }
  const column = <Field extends keyof NewStoredMessage>(field: Field): NewStoredMessage[Field][] =>
    messages.map((message) => message[field]);
  const times = messages.map(({ timestamp }) => timestamp ?? now);
  return sql`${owner}, added AS (${insert}
      SELECT ${tenant}, ${sessionId}, last_seq - ${count}::bigint + n, message_id, role, timestamp, metadata, content
      FROM owner, unnest(${column("messageId")}::text[], ${column("role")}::text[], ${times}::bigint[],
        ${jsonTexts(column("metadata"))}, ${jsonTexts(column("content"))}) WITH ORDINALITY
        AS new (message_id, role, timestamp, metadata, content, n))
    SELECT last_seq AS "lastSeq" FROM owner`;
}

/** Every append, with the session's row locked before anything is decided. */
function appendInTurn(
  db: Database,
  call: Call,
  { sessionId, messages }: Append,
  fence: FencingToken | null,
): Promise<StoredMessage[]> {
  const { tenant } = call;
  const keys = messages.filter(({ keyed }) => keyed).map(({ messageId }) => messageId);
  return db.transact(call, async (tx) => {
    const now = db.now();
    const [row, held, earlier] = await Promise.all([
      tx.get<SessionHead>(lockHead(tenant, sessionId)),
      holdFence(tx, tenant, fence),
      keys.length === 0 ? [] : tx.query<StoredMessage>(selectByIds(tenant, sessionId, keys)),
    ]);
    const session = orNotFound(unlessExpired(row, now), sessionId);
    assertFence(held, fence);
    const known = new Map(earlier.map((message) => [message.messageId, message]));
    const added: StoredMessage[] = [];
    const stored = messages.map(({ keyed, ...message }) => {
      const there = keyed ? known.get(message.messageId) : undefined;
      if (there !== undefined) return there;
      const one = { ...message, seq: session.lastSeq + added.length + 1, timestamp: message.timestamp ?? now };
      known.set(one.messageId, one);
      added.push(one);
      return one;
    });
    if (added.length > 0) {
      tx.run(insertMessages(tenant, sessionId, added));
      tx.run(sql`UPDATE @sessions SET last_seq = last_seq + ${added.length}, message_count = message_count + ${added.length},
          updated_at = greatest(updated_at, ${now}) WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
    }
    return stored;
  });
}
