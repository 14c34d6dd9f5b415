// Batches: appends that come at the same moment are one write, and each caller hears of his own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batch, bufferedWriter, withLayers } from "waystone/layers";
import { memoryStorage } from "waystone/memory";

const store = memoryStorage();
const gathering = batch();
const storage = withLayers(store, [gathering]);
await storage.createSession("chat", "ada");

const outcomes = await Promise.allSettled([
  ...["one", "two", "three"].map((text) => storage.addConversationMessage("chat", "user", text)),
  storage.addConversationMessage("absent", "user", "for nobody"),
]);
for (const each of outcomes) {
  console.log(each.status === "fulfilled" ? `stored as number ${each.value.seq}` : `refused: ${each.reason.code}`);
}
const { batches, messages } = gathering.stats();
console.log({ batches, messages });

// A buffered writer waits for no store: its result says so, and its journal keeps what is not stored yet.
const folder = await mkdtemp(join(tmpdir(), "waystone-example-"));
const writer = bufferedWriter(storage, { journal: join(folder, "appends.journal") });
const taken = await writer.append("chat", "assistant", "four");
console.log("taken on:", { buffered: taken.buffered, durability: taken.durability });
for (let i = 0; i < 3; i++) await writer.count("chat", { incrementRequests: true, addProcessingTime: 0.5 });
await writer.flush();
const session = await storage.getSession("chat");
console.log("counted:", { requests: session?.requestCount, seconds: session?.totalProcessingTime });
console.log("stored:", (await storage.getConversationHistory("chat")).map(({ content }) => content).join(" "));
await writer.close();
await storage.close();
await rm(folder, { recursive: true });
