/**
 * The process that is killed: writes to a store without end, from several callers at once, and tells its parent what it sends
 * and what was acknowledged. Arguments: the file, a name for what it writes, and `early` to acknowledge before the store does
 * (the seeded fault that shows that the check can fail).
 */
import { writeSync } from "node:fs";
import { sqliteStorage } from "waystone/sqlite";
import { messageIds, type Operation, stateOf } from "./acknowledgement.ts";

const CALLERS = 6;
const [path = "", name = "", mode = ""] = process.argv.slice(2);
const storage = sqliteStorage({ path });

await Promise.all(Array.from({ length: CALLERS }, (_, caller) => write(`${name}-${caller}`)));

async function write(session: string): Promise<void> {
  await storage.createSession(session, "writer", { ifExists: "return" });
  const context = await storage.getTaskContext(session);
  let version = context?.version ?? 0;
  for (let step = 0; ; step += 1) {
    const id = `${session}:${step}`;
    const size = 1 + (step % 4);
    await acknowledged({ kind: "append", session, batch: id, size }, () =>
      storage.addConversationMessages(
        session,
        messageIds(id, size).map((messageId) => ({
          role: "user",
          content: `${messageId} ${"x".repeat(300)}`,
          messageId,
        })),
      ),
    );
    await acknowledged({ kind: "count", session, key: id }, () =>
      storage.updateSession(session, { incrementRequests: true, idempotencyKey: id }),
    );
    await acknowledged({ kind: "checkpoint", session, id, step }, () =>
      storage.storeCheckpoint(session, id, stateOf(step), { sessionId: session }),
    );
    await acknowledged({ kind: "writes", session, id, task: "task", size: 3 }, () =>
      storage.putWrites(session, id, "task", [
        ["a", stateOf(step)],
        ["b", stateOf(step)],
        ["c", stateOf(step)],
      ]),
    );
    version += 1;
    await acknowledged({ kind: "context", session, version }, () =>
      storage.storeTaskContext(session, stateOf(version)),
    );
    await acknowledged({ kind: "item", session, key: id }, () => storage.putItem(["kill", session], id, stateOf(step)));
  }
}

async function acknowledged(operation: Operation, send: () => Promise<unknown>): Promise<void> {
  tell("sent", operation);
  if (mode === "early") tell("acknowledged", operation);
  await send();
  if (mode !== "early") tell("acknowledged", operation);
}

/** Synchronous: what was told is in the pipe before anything else happens. */
function tell(state: "sent" | "acknowledged", operation: Operation): void {
  writeSync(1, `${JSON.stringify({ state, operation })}\n`);
}
