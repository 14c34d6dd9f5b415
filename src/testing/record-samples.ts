/** Records for clauses about imports. */
import type { RecordKind, SessionRecord, StorageRecord } from "../contract/records.js";

/** A session of nothing. */
export function sessionRecord(sessionId: string): SessionRecord {
  const at = "2024-05-06T07:08:09.123Z";
  return {
    kind: "session",
    session_id: sessionId,
    user_id: "u",
    created_at: at,
    updated_at: at,
    status: "active",
    metadata: {},
    metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
    version: 1,
    last_seq: 0,
  };
}

/** How many records there are of each kind. */
export function countKinds(records: readonly StorageRecord[]): Record<RecordKind, number> {
  const counts = { session: 0, message: 0, task_context: 0, thread: 0, checkpoint: 0, write: 0, item: 0 };
  for (const record of records) counts[record.kind] += 1;
  return counts;
}
