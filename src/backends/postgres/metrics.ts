/** Counts of one tenant, exact up to a size: of a large table the server counts a sample of its pages, and the metrics say so. */
import type { Call } from "../../domain/driver/call.js";
import type { DriverMetrics } from "../../domain/driver/storage-driver.js";
import { type Sql, sql } from "./connection/sql.js";
import { isItemLive } from "./item-rows.js";
import { NOTHING } from "./session-listing.js";
import { isLive } from "./session-rows.js";
import type { Database } from "./store.js";
import { isThreadLive } from "./thread-rows.js";

/** Rows of all tenants up to which a table is counted, and about as many are in the sample of a larger one. */
const COUNTED_ROWS = 200_000;

type Counts = Omit<DriverMetrics, "estimated">;

/** What is counted in which table. */
const COUNTED: { readonly [Table in "sessions" | "threads" | "items"]: readonly (keyof Counts)[] } = {
  sessions: ["sessions", "activeSessions", "messages", "requests", "errors"],
  threads: ["threads", "checkpoints"],
  items: ["items"],
};

type Table = keyof typeof COUNTED;

export async function collectMetrics(db: Database, call: Call): Promise<DriverMetrics> {
  const percents = await percentsOf(db, call);
  const { tenant } = call;
  const now = db.now();
  const some = (table: Table): Sql => {
    const percent = percents[table];
    return percent === 100 ? NOTHING : sql`TABLESAMPLE SYSTEM (${percent}::real)`;
  };
  const [counts] = await db.read<Counts>(
    call,
    sql`SELECT c.*, t.*, i.*, ${TOTAL_SIZE} AS "sizeBytes" FROM
      (SELECT count(*) AS sessions, count(*) FILTER (WHERE status = 'active') AS "activeSessions",
          coalesce(sum(message_count), 0)::bigint AS messages, coalesce(sum(request_count), 0)::bigint AS requests,
          coalesce(sum(error_count), 0)::bigint AS errors
        FROM @sessions s ${some("sessions")} WHERE s.tenant = ${tenant} AND ${isLive(now)}) c,
      (SELECT count(*) AS threads, coalesce(sum(t.checkpoint_count), 0)::bigint AS checkpoints
        FROM @threads t ${some("threads")} LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
        WHERE t.tenant = ${tenant} AND ${isThreadLive(now)}) t,
      (SELECT count(*) AS items FROM @items ${some("items")} WHERE tenant = ${tenant} AND ${isItemLive(now)}) i`,
  );
  if (counts === undefined) throw new Error("a count without a row");
  const whole = { ...counts };
  const estimated: (keyof Counts)[] = [];
  for (const [table, names] of Object.entries(COUNTED) as [Table, readonly (keyof Counts)[]][]) {
    if (percents[table] === 100) continue;
    for (const name of names) {
      whole[name] = Math.round(((counts[name] ?? 0) * 100) / percents[table]);
      estimated.push(name);
    }
  }
  return { ...whole, estimated };
}

/** How much of each table is counted. */
async function percentsOf(db: Database, call: Call): Promise<{ readonly [Name in Table]: number }> {
  const rows = await db.read<{ table: string; rows: number }>(
    call,
    sql`SELECT coalesce(whole.relname, c.relname) AS table, sum(greatest(c.reltuples, 0)) AS rows
      FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = i.inhparent
      WHERE c.relnamespace = @:namespace AND c.relkind = 'r' GROUP BY 1`,
  );
  const percentOf = (table: Table): number => {
    const size = rows.find((each) => each.table === table)?.rows ?? 0;
    return size <= COUNTED_ROWS ? 100 : (COUNTED_ROWS / size) * 100;
  };
  return { sessions: percentOf("sessions"), threads: percentOf("threads"), items: percentOf("items") };
}

/** Bytes on the server's disk, of all tenants. */
const TOTAL_SIZE: Sql = sql`(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
    WHERE relnamespace = @:namespace AND relkind = 'r')`;
