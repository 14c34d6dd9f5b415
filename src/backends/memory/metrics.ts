/** Counts of one tenant, all exact: they are those of the moment at which the counting began. */
import type { Call } from "../../domain/driver/call.js";
import { countSession, noCounts } from "../../domain/driver/counts.js";
import type { DriverMetrics } from "../../domain/driver/storage-driver.js";
import { isItemExpired } from "../../domain/items.js";
import { isExpired } from "../../domain/sessions.js";
import { inSlices } from "../../domain/slices.js";
import type { MemoryStore } from "./state.js";
import { enter } from "./state.js";

export async function collectMetrics(store: MemoryStore, call: Call): Promise<DriverMetrics> {
  const { tenant, now } = enter(store, call);
  const [sessions, threads, items] = [
    tenant.sessionsByUpdated.scan(),
    tenant.threadsByUpdated.scan(),
    tenant.items.scan(),
  ];
  const count = noCounts();
  const expired = new Set<string>();
  await inSlices(call, sessions, (row) => {
    if (isExpired(row, now)) {
      expired.add(row.sessionId);
      return true;
    }
    countSession(count, row);
    return true;
  });
  await inSlices(call, threads, ({ sessionId, checkpointCount }) => {
    if (sessionId !== null && expired.has(sessionId)) return true;
    count.threads += 1;
    count.checkpoints += checkpointCount;
    return true;
  });
  await inSlices(call, items, (item) => {
    count.items += isItemExpired(item, now) ? 0 : 1;
    return true;
  });
  return { ...count, sizeBytes: null, estimated: [] };
}
