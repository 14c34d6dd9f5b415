/** Counts of one tenant as a driver adds them up row by row. */
import type { SessionStatus } from "../../contract/session-storage.js";
import type { DriverMetrics } from "./storage-driver.js";

type Counts = { -readonly [Name in keyof Omit<DriverMetrics, "sizeBytes" | "estimated">]: number };

export function noCounts(): Counts {
  return {
    sessions: 0,
    activeSessions: 0,
    messages: 0,
    threads: 0,
    checkpoints: 0,
    items: 0,
    requests: 0,
    errors: 0,
  };
}

/** Adds a session that is there for readers. */
export function countSession(
  counts: Counts,
  row: {
    readonly status: SessionStatus;
    readonly messageCount: number;
    readonly requestCount: number;
    readonly errorCount: number;
  },
): void {
  counts.sessions += 1;
  counts.activeSessions += row.status === "active" ? 1 : 0;
  counts.messages += row.messageCount;
  counts.requests += row.requestCount;
  counts.errors += row.errorCount;
}
