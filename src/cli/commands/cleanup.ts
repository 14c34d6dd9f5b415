/** `waystone cleanup`: removes idle and expired sessions (S8). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { confirm } from "../confirm.js";
import { type Invocation, longCall } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { counted, relativeTime } from "../output/units.js";
import { withStore } from "../store.js";

export interface CleanupCommandOptions {
  readonly maxIdleHours: number;
  readonly batchSize?: number;
  readonly dryRun?: boolean;
}

/** Sessions that the plan names. */
const SAMPLES = 5;

export async function cleanup(
  invocation: Invocation,
  _args: readonly [],
  { maxIdleHours, batchSize, dryRun = false }: CleanupCommandOptions,
): Promise<void> {
  const call = longCall(invocation);
  await withStore(invocation, async (storage) => {
    const planned = await storage.cleanupExpiredSessions({ maxIdleHours, batchSize, dryRun: true, ...call });
    const what = `${counted(planned, "session")} idle for ${maxIdleHours} h or expired, with all that belongs to them`;
    if (dryRun || planned === 0) {
      if (planned > 0) for (const line of await samples(storage, maxIdleHours, invocation)) invocation.note(line);
      return printChange(
        invocation,
        { changed: 0, planned },
        planned === 0 ? "nothing to remove" : `would remove ${what}`,
      );
    }
    await confirm(invocation, [`remove ${what}`, ...(await samples(storage, maxIdleHours, invocation))]);
    const changed = await storage.cleanupExpiredSessions({ maxIdleHours, batchSize, ...call });
    return printChange(invocation, { changed }, `removed ${counted(changed, "session")}`);
  });
}

/** The sessions that are idle for longest. Those whose time to live has passed can no longer be read, and are not named. */
async function samples(
  storage: StorageBackend,
  maxIdleHours: number,
  { signal, style }: Invocation,
): Promise<string[]> {
  const idleSince = new Date(Date.now() - maxIdleHours * 3_600_000);
  if (Number.isNaN(idleSince.getTime())) return [];
  const { items, nextCursor } = await storage.listSessions({
    updated: { to: idleSince },
    orderBy: "updatedAt",
    direction: "asc",
    limit: SAMPLES,
    signal,
  });
  const lines = items.map(
    (session) =>
      `  ${session.sessionId} of ${session.userId}: ${counted(session.messageCount, "message")}, last written ${relativeTime(session.updatedAt, style.now)}`,
  );
  return nextCursor === undefined ? lines : [...lines, "  …"];
}
