/** Counts of one tenant, all exact and of one moment, counted in short steps. */
import type { Call } from "../../domain/driver/call.js";
import { countSession, noCounts } from "../../domain/driver/counts.js";
import type { DriverMetrics } from "../../domain/driver/storage-driver.js";
import { isItemExpired } from "../../domain/items.js";
import { isExpired } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import type { ReadStep } from "./connection/snapshots.js";
import { bytesBeyond, namespaceBytes, placesAfter } from "./item-rows.js";
import type { SessionRow } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { isThreadGone, threadsById } from "./thread-rows.js";

/** Rows counted in one step. */
const SLICE_ROWS = 500;

type CountedSession = Pick<
  SessionRow,
  "sessionId" | "status" | "updatedAt" | "ttlMs" | "messageCount" | "requestCount" | "errorCount"
>;

const SESSIONS = `SELECT session_id AS sessionId, status, updated_at AS updatedAt, ttl_ms AS ttlMs,
  message_count AS messageCount, request_count AS requestCount, error_count AS errorCount
  FROM sessions INDEXED BY sessions_by_id WHERE tenant = ? AND session_id > ? ORDER BY session_id LIMIT ?`;

export function collectMetrics(file: OpenFile, call: Call): Promise<DriverMetrics> {
  const now = file.now();
  return file.survey(call, async (read, tenant) => {
    const count = noCounts();
    const sessions = (db: Connection, after: string) => db.all<CountedSession>(SESSIONS, tenant, after, SLICE_ROWS);
    await eachRow(read, "", sessions, (row) => {
      if (isExpired(row, now)) return row.sessionId;
      countSession(count, row);
      return row.sessionId;
    });
    const threads = (db: Connection, after: string) => threadsById(db, tenant, after, SLICE_ROWS);
    await eachRow(read, "", threads, (row) => {
      if (isThreadGone(row, now)) return row.threadId;
      count.threads += 1;
      count.checkpoints += row.checkpointCount;
      return row.threadId;
    });
    const start = { namespace: namespaceBytes([]), key: "" };
    const items = (db: Connection, after: typeof start) => placesAfter(db, tenant, after, bytesBeyond([]), SLICE_ROWS);
    await eachRow(read, start, items, (row) => {
      count.items += isItemExpired(row, now) ? 0 : 1;
      return row;
    });
    return { ...count, sizeBytes: await read(fileSize), estimated: [] };
  });
}

/** Bytes of the file as it is once the log is copied into it. */
function fileSize(db: Connection): number {
  return Number(db.pragma("page_count")) * Number(db.pragma("page_size"));
}

/** Hands on each row; `count` gives its place, after which the next step begins. */
async function eachRow<Row, Place>(
  read: ReadStep,
  start: Place,
  slice: (db: Connection, after: Place) => Row[],
  count: (row: Row) => Place,
): Promise<void> {
  let after = start;
  for (let more = true; more; ) {
    const rows = await read((db) => slice(db, after));
    for (const row of rows) after = count(row);
    more = rows.length === SLICE_ROWS;
  }
}
