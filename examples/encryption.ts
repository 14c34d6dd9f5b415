// Encryption: what the store keeps is ciphertext, bound to its place.
import { randomBytes } from "node:crypto";
import { openStorage } from "waystone";
import { encryption, keyRing, withLayers } from "waystone/layers";
import { memoryStorage } from "waystone/memory";

// The secrets come from where you keep secrets; `wrappedKeyRing` takes those that a key management service has wrapped.
const secrets = { "2026-01": randomBytes(32), "2026-07": randomBytes(32) };

const store = memoryStorage();
const storage = withLayers(store, [encryption({ keys: keyRing({ current: "2026-01", keys: secrets }) })]);

await storage.createSession("chat", "ada");
await storage.addConversationMessage("chat", "user", "my code is 4711");
const [message] = await storage.getConversationHistory("chat");
console.log("through the layer:", message?.content);
const [stored] = await store.getConversationHistory("chat");
console.log("in the store:", String(stored?.content).replace(/(?<=^wse1\.[^.]+\.).*/, "…"));

// A state shares its pieces with the next one: what is new is encrypted and stored, no more.
await storage.storeCheckpoint("agent", "step-1", { notes: ["first"] });
console.log("state:", (await storage.getCheckpoint("agent"))?.data);

// Copied behind the layer's back, it is worth nothing.
await store.copyThread("agent", "elsewhere");
await storage.getCheckpoint("elsewhere").catch((error) => console.log("moved:", error.code));
await storage.copyThread("agent", "copy");
console.log("copied by the layer:", (await storage.getCheckpoint("copy"))?.data);

// A new key: what it writes names it, what the older one wrote still opens.
const later = withLayers(store, [encryption({ keys: keyRing({ current: "2026-07", keys: secrets }) })]);
await later.addConversationMessage("chat", "user", "and a second thing");
console.log("messages:", (await later.getConversationHistory("chat")).length);
const onlyNew = keyRing({ current: "2026-07", keys: { "2026-07": secrets["2026-07"] } });
const without = withLayers(store, [encryption({ keys: onlyNew })]);
await without.getConversationHistory("chat").catch((error) => console.log("without the older key:", error.code));

// Nothing can be found by what is encrypted.
await storage
  .searchItems(["notes"], { filter: { topic: "trains" } })
  .catch((error) => console.log("filter:", error.code));
await storage.close();

await using plain = await openStorage("memory:", { layers: [encryption({ keys: onlyNew, metadata: true })] });
await plain.createSession("s", "ada", { metadata: { plan: "secret" } });
console.log("metadata:", (await plain.getSession("s"))?.metadata);
