// A store that is away now and then: what does no harm twice is sent again, and nothing else.
import { isStorageError } from "waystone";
import { retry } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { faultyStorage, type InjectedFault } from "waystone/testing";

// Stands for a server behind a network: the faults of the next calls, one after another.
const faults: InjectedFault[] = [];
const store = memoryStorage();
const server = faultyStorage(store, () => faults.shift());

const retries = retry({ maxAttempts: 4, initialDelayMs: 5 });
const storage = retries(server.storage);
await storage.createSession("trip-1", "ada");

faults.push({ at: "before" }, { at: "before" });
await storage.addConversationMessage("trip-1", "user", "Find me a train to Lyon");
console.log("the connection failed twice, and the message is there after", retries.stats().retries, "retries");

// The store has appended it, and the answer was lost. With a message id a second append adds nothing.
faults.push({ at: "after" });
await storage.addConversationMessage("trip-1", "user", "A window seat", { messageId: "m-2" });
console.log("messages stored:", (await store.getConversationHistory("trip-1")).length);

// Without one it could be there twice: the caller is told, and decides.
faults.push({ at: "after" });
try {
  await storage.addConversationMessage("trip-1", "user", "And a coffee");
} catch (error) {
  if (!isStorageError(error)) throw error;
  console.log(`not sent again: ${error.code}, outcome ${error.outcome}`);
}

// A refusal is an answer: it is not worth another try.
faults.length = 0;
const before = retries.stats().retries;
await storage.createSession("trip-1", "ada").catch((error) => console.log(error.code));
console.log("retries because of it:", retries.stats().retries - before);
await storage.close();
