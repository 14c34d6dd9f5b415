/**
 * The process that is killed: writes through a failover of two SQLite files without end, and tells its parent what it sends and what was
 * acknowledged. Arguments: the folder, a name for what it writes, the mode.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { type FailoverMode, failover } from "waystone/layers";
import { sqliteStorage } from "waystone/sqlite";

const CALLERS = 4;
const [folder = "", name = "", mode = "sync-both"] = process.argv.slice(2);
const pair = failover({
  fallback: sqliteStorage({ path: join(folder, "fallback.db") }),
  mode: mode as FailoverMode,
  journal: join(folder, "failover.journal"),
});
const storage = pair(sqliteStorage({ path: join(folder, "primary.db") }));

await Promise.all(Array.from({ length: CALLERS }, (_, caller) => write(`${name}-${caller}`)));

async function write(session: string): Promise<void> {
  await storage.createSession(session, "writer", { ifExists: "return" });
  for (let step = 0; ; step += 1) {
    await told(session, "message", step, () => storage.addConversationMessage(session, "user", `${step}`));
    await told(session, "count", step, () =>
      storage.updateSession(session, { incrementRequests: true, idempotencyKey: `${step}` }),
    );
    await told(session, "checkpoint", step, () =>
      storage.storeCheckpoint(session, `${step}`, { step }, { sessionId: session }),
    );
  }
}

async function told(session: string, kind: string, step: number, send: () => Promise<unknown>): Promise<void> {
  writeSync(1, `${JSON.stringify({ state: "sent", session, kind, step })}\n`);
  await send();
  writeSync(1, `${JSON.stringify({ state: "acknowledged", session, kind, step })}\n`);
}
