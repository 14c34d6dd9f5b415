// A server that takes two calls at once: the others wait in order, and one too many is refused.
import { CallRefusedError } from "waystone";
import { concurrencyLimit } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { faultyStorage } from "waystone/testing";

const server = faultyStorage(memoryStorage(), () => ({ delayMs: 10 }));
const limit = concurrencyLimit({ maxConcurrent: 2, maxQueue: 3 });
const storage = limit(server.storage);

const names = ["ada", "grace", "alan", "edsger", "barbara", "donald"];
const calls = names.map((name) =>
  storage.createSession(`session of ${name}`, name).then(
    (session) => `${session.userId}: created`,
    (error) => `${name}: ${error instanceof CallRefusedError ? error.message : String(error)}`,
  ),
);
console.log("meanwhile", limit.stats());
for (const line of await Promise.all(calls)) console.log(line);
console.log("afterwards", limit.stats());
await storage.close();
