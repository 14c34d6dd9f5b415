// Failover: a second store takes over when the first is away, and gives it back when both are the same.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failover, withLayers } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { sqliteStorage } from "waystone/sqlite";
import { faultyStorage } from "waystone/testing";

const folder = await mkdtemp(join(tmpdir(), "waystone-example-"));

// The primary stands for a server: its connection can be cut.
const server = faultyStorage(memoryStorage());
const fallback = sqliteStorage({ path: join(folder, "fallback.db") });
const pair = failover({
  fallback,
  mode: "sync-both",
  journal: join(folder, "failover.journal"),
  cooldownMs: 0,
  onEvent: (event) => event.type === "state" && console.log(`now ${event.state}, epoch ${event.epoch}`),
});
const storage = withLayers(server.storage, [pair]);

await storage.createSession("trip", "ada");
await storage.addConversationMessage("trip", "user", "A train to Lyon, please");

server.disconnect();
await storage.addConversationMessage("trip", "assistant", "At 9:26 from platform 3");
const history = await storage.getConversationHistory("trip");
console.log("while the primary is away:", history.map(({ seq, content }) => `${seq} ${content}`).join("; "));
console.log({ serving: pair.stats().serving, health: (await storage.healthCheck()).status });

server.reconnect();
await pair.check();
console.log({ serving: pair.stats().serving, health: (await storage.healthCheck()).status });

for (const [name, store] of Object.entries({ primary: server.storage, fallback })) {
  const messages = await store.getConversationHistory("trip");
  console.log(`${name}:`, messages.length, "messages");
}
await storage.close();
await rm(folder, { recursive: true });
