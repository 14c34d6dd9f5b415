/**
 * One of several processes on one new file: opens it at once with the others, then counts and appends. Arguments: the file, a
 * name, and how often.
 */
import { sqliteStorage } from "waystone/sqlite";

const [path = "", name = "", times = "0"] = process.argv.slice(2);
await using storage = sqliteStorage({ path, timeoutMs: 60_000 });
await storage.createSession("shared", "u", { ifExists: "return" });
let created = 0;
for (let i = 0; i < Number(times); i++) {
  await storage.updateSession("shared", { incrementRequests: true });
  await storage.addConversationMessage("shared", "user", `${name}:${i}`);
  created += await storage.createSession(`race-${i}`, name).then(
    () => 1,
    () => 0,
  );
}
console.log(JSON.stringify({ created }));
