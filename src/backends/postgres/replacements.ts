/** Values in the place of stored ones, in the PostgreSQL backend (P2). */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointReplacementRow, ReplacementOf, ReplacementRow } from "../../domain/driver/replacements.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { splitState } from "../../domain/segments/split.js";
import { putBlocks, sweepLoose } from "./blocks.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { isItemLive, itemId } from "./item-rows.js";
import { rememberSent, sendingOf, storedNames } from "./sending.js";
import { isLive } from "./session-rows.js";
import { type Database, ReadAgain } from "./store.js";
import { isThreadGone, isThreadLive, lockThread } from "./thread-rows.js";

type Short = Exclude<ReplacementRow, CheckpointReplacementRow>;

/** Values of one transaction. */
const AT_ONCE = 100;

export async function replaceStored(
  db: Database,
  call: Call,
  replacements: readonly ReplacementRow[],
): Promise<boolean[]> {
  const results: boolean[] = [];
  for (let at = 0; at < replacements.length; ) {
    if (call.cancelled) throw call.cancellation();
    const first = replacements[at] as ReplacementRow;
    if (first.kind === "checkpoint") {
      results.push(await replaceState(db, call, first));
      at += 1;
      continue;
    }
    const some: Short[] = [];
    for (const each of replacements.slice(at, at + AT_ONCE)) {
      if (each.kind === "checkpoint") break;
      some.push(each);
    }
    results.push(...(await replaceShort(db, call, some)));
    at += some.length;
  }
  return results;
}

function replaceShort(db: Database, call: Call, some: readonly Short[]): Promise<boolean[]> {
  const { tenant } = call;
  return db.transact(call, async (tx) => {
    const now = db.now();
    const messages = some.filter((each) => each.kind === "message");
    const others = some.map((each) => (each.kind === "message" ? undefined : tx.query(replacing(tenant, each, now))));
    const replaced = messages.length === 0 ? new Set<string>() : await replaceMessages(tx, tenant, messages, now);
    const counts = await Promise.all(others);
    return some.map((each, i) =>
      each.kind === "message" ? replaced.has(placeOf(each)) : (counts[i] ?? []).length > 0,
    );
  });
}

const placeOf = ({ sessionId, seq }: { readonly sessionId: string; readonly seq: number }): string =>
  `${seq} ${sessionId}`;

/** All of them in one statement. Gives the places of those that were replaced. */
async function replaceMessages(
  tx: Transaction,
  tenant: string,
  messages: readonly ReplacementOf<"message">[],
  now: number,
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ sessionId: string; seq: number }>(
    sql`UPDATE @messages m SET metadata = new.metadata, content = new.content
      FROM unnest(${messages.map(({ sessionId }) => sessionId)}::text[], ${messages.map(({ seq }) => seq)}::bigint[],
          ${messages.map(({ from }) => from.metadata)}::text[], ${messages.map(({ from }) => from.content)}::text[],
          ${messages.map(({ to }) => to.metadata)}::text[], ${messages.map(({ to }) => to.content)}::text[])
        AS new (session_id, seq, known_metadata, known_content, metadata, content), @sessions s
      WHERE m.tenant = ${tenant} AND m.session_id = new.session_id AND m.seq = new.seq
        AND m.metadata = new.known_metadata AND m.content = new.known_content
        AND s.tenant = ${tenant} AND s.session_id = new.session_id AND ${isLive(now)}
      RETURNING m.session_id AS "sessionId", m.seq`,
  );
  return new Set(rows.map(placeOf));
}

/** Gives a row where the value was replaced. A row that somebody changes meanwhile is compared again. */
function replacing(tenant: string, each: Exclude<Short, ReplacementOf<"message">>, now: number): Sql {
  switch (each.kind) {
    case "session":
      return sql`UPDATE @sessions s SET metadata = ${each.to.metadata}::jsonb
        WHERE s.tenant = ${tenant} AND s.session_id = ${each.sessionId} AND ${isLive(now)}
          AND s.metadata = ${each.from.metadata}::jsonb RETURNING 1`;
    case "task_context":
      return sql`UPDATE @context_versions v
        SET metadata = ${each.to.metadata}, content = ${each.to.context}, size_bytes = ${each.to.sizeBytes}::bigint
        FROM @sessions s WHERE s.tenant = ${tenant} AND s.session_id = ${each.sessionId} AND ${isLive(now)}
          AND v.tenant = ${tenant} AND v.context_id = s.context_id AND v.version = ${each.version}
          AND v.metadata = ${each.from.metadata} AND v.content = ${each.from.context} RETURNING 1`;
    case "write":
      return sql`UPDATE @checkpoint_writes w SET value = ${each.to.value}
        WHERE w.tenant = ${tenant} AND w.thread_id = ${each.threadId} AND w.namespace = ${each.namespace}
          AND w.checkpoint_id = ${each.checkpointId} AND w.task_id = ${each.taskId} AND w.idx = ${each.index}
          AND w.value = ${each.from.value}
          AND EXISTS (SELECT 1 FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
            WHERE t.tenant = ${tenant} AND t.thread_id = ${each.threadId} AND ${isThreadLive(now)})
        RETURNING 1`;
    case "item":
      return sql`UPDATE @items SET value = ${each.to.value}::jsonb
        WHERE tenant = ${tenant} AND item_id = ${itemId(each)} AND ${isItemLive(now)}
          AND value = ${each.from.value}::jsonb RETURNING 1`;
  }
}

/** As a state that is stored again, but that thread and session stay where they are. */
async function replaceState(
  db: Database,
  call: Call,
  { threadId, namespace, checkpointId, from, to }: CheckpointReplacementRow,
): Promise<boolean> {
  const { tenant } = call;
  if (from.etag !== null && !ROOT.test(from.etag)) return false;
  const thread = threadKey(tenant, threadId);
  const state = splitState(to.data, db.outlines.get(thread, namespace));
  db.outlines.keep(thread, namespace, state.outline);
  const root = state.root === null ? null : Buffer.from(state.root, "hex");
  const place = sql`tenant = ${tenant} AND thread_id = ${threadId} AND namespace = ${namespace}
    AND checkpoint_id = ${checkpointId}`;
  let sending = sendingOf(state, db.blocks.of(tenant, threadId));
  const replaced = await db.transact(call, async (tx) => {
    sending = sendingOf(state, db.blocks.of(tenant, threadId));
    const { blocks, assumed } = sending;
    const [found, before, stored] = await Promise.all([
      lockThread(tx, tenant, threadId),
      tx.get<{ blocks: number }>(
        sql`SELECT blocks FROM @checkpoints WHERE ${place} AND metadata = ${from.metadata}::jsonb AND ${
          from.etag === null
            ? sql`root IS NULL AND manifest = ${from.data}`
            : sql`root = ${Buffer.from(from.etag, "hex")}::bytea`
        }`,
      ),
      storedNames(tx, tenant, threadId, [...assumed, ...blocks.map(({ name }) => name)]),
    ]);
    if (found === undefined || before === undefined || isThreadGone(found, db.now())) return false;
    if (assumed.some((name) => !stored.has(name))) {
      db.blocks.forget(tenant, threadId);
      throw new ReadAgain();
    }
    const missing = blocks.filter(({ name }) => !stored.has(name));
    putBlocks(tx, tenant, threadId, missing);
    tx.run(sql`UPDATE @checkpoints SET size_bytes = ${to.sizeBytes}, metadata = ${to.metadata},
        blocks = ${root === null ? 0 : missing.length + 1}, root = ${root}, manifest = ${state.manifest} WHERE ${place}`);
    if (before.blocks > 0) {
      sweepLoose(tx, tenant, { ...found, looseBlocks: found.looseBlocks + before.blocks }, "many");
    }
    return true;
  });
  if (replaced && state.root !== null) rememberSent(db.blocks, tenant, threadId, sending);
  return replaced;
}

/** The name of a block, as an etag has it. */
const ROOT = /^[0-9a-f]{32}$/;
