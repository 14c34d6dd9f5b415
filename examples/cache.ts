// The cache: reads that come again, and what never happens to them.
import { cache, withLayers } from "waystone/layers";
import { memoryStorage } from "waystone/memory";

const store = memoryStorage();
const kept = cache({ ttlMs: 60_000 });
const storage = withLayers(store, [kept]);

await storage.createSession("chat", "ada");
for (const text of ["hello", "what is new?"]) await storage.addConversationMessage("chat", "user", text);

for (let i = 0; i < 5; i++) await storage.getConversationHistory("chat");
const { hits, misses } = kept.stats();
console.log("read once, answered often:", { hits, misses });

// What this process appends stands in the next read, without another look at the store.
await storage.addConversationMessage("chat", "assistant", "nothing much");
const messages = await storage.getConversationHistory("chat");
console.log("with what was appended:", messages.length, "misses:", kept.stats().misses);

// Each result is an object of its own.
(messages[0] as { content: unknown }).content = "changed";
console.log("still:", (await storage.getConversationHistory("chat"))[0]?.content);

// What another process writes is seen when `ttlMs` is over, or at once where each read is validated.
const validated = withLayers(store, [cache({ validate: "always" })]);
await validated.getConversationHistory("chat");
await store.addConversationMessage("chat", "user", "from elsewhere");
console.log("kept:", (await storage.getConversationHistory("chat")).length);
console.log("validated:", (await validated.getConversationHistory("chat")).length);
await storage.close();
