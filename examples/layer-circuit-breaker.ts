// A store that is away: after some failures calls are refused at once, until one of them finds it back.
import { setTimeout as sleep } from "node:timers/promises";
import { CallRefusedError } from "waystone";
import { circuitBreaker } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { faultyStorage } from "waystone/testing";

const server = faultyStorage(memoryStorage());
const circuit = circuitBreaker({
  minCalls: 3,
  openMs: 100,
  onStateChange: (state) => console.log("  the circuit is", state),
});
const storage = circuit(server.storage);
await storage.createSession("trip-1", "ada");

server.disconnect();
for (let call = 1; call <= 5; call++) {
  await storage.getSession("trip-1").catch((error) => {
    const refused = error instanceof CallRefusedError ? `refused, ${error.reason}` : "the store did not answer";
    console.log(`call ${call}: ${refused}, ${error.outcome}`);
  });
}

server.reconnect();
await sleep(120);
console.log("later:", (await storage.getSession("trip-1"))?.userId);

// Conflicts and wrong arguments are answers: they never open it.
for (let call = 0; call < 50; call++) await storage.createSession("trip-1", "ada").catch(() => undefined);
console.log("after 50 conflicts:", circuit.state());
await storage.close();
