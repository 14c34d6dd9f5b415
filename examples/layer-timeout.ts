// A store that hangs: calls end at their deadline, and say whether a write may have happened.
import { isStorageError } from "waystone";
import { timeout } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { faultyStorage } from "waystone/testing";

const server = faultyStorage(memoryStorage());
const storage = timeout({ timeoutMs: 100, operations: { getSession: 20 } })(server.storage);
await storage.createSession("trip-1", "ada");

server.hang();
for (const call of [
  () => storage.getSession("trip-1"),
  () => storage.addConversationMessage("trip-1", "user", "Find me a train to Lyon"),
]) {
  try {
    await call();
  } catch (error) {
    if (!isStorageError(error)) throw error;
    console.log(`${error.operation}: ${error.message}, outcome ${error.outcome}`);
  }
}
server.reconnect();
console.log("back again:", (await storage.getSession("trip-1"))?.userId);
await storage.close();
