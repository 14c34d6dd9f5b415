// The other process: writes once for each line that it is told, and says when it has.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { postgresStorage } from "waystone/postgres";
import { redisStorage } from "waystone/redis";
import { sqliteStorage } from "waystone/sqlite";

const [kind = "", at = "", prefix = ""] = process.argv.slice(2);
const storage =
  kind === "sqlite"
    ? sqliteStorage({ path: at, changeFeed: true })
    : kind === "postgres"
      ? postgresStorage({ url: at, changeFeed: true })
      : redisStorage({ url: at, prefix, changeFeed: true });

for await (const line of createInterface({ input: process.stdin })) {
  const n = Number(line);
  await storage.updateSession("s", { metadata: { n } });
  await storage.addConversationMessage("s", "user", `message ${n}`);
  await storage.storeCheckpoint("t", "c", { n });
  await storage.createSession("absent", "u", { ifExists: "return" });
  writeSync(1, `${n}\n`);
}
await storage.close();
