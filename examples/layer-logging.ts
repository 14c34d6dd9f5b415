// A record of each call, to pino: identifiers as hashes, content never.
import { pino } from "pino";
import { openStorage } from "waystone";
import { logging } from "waystone/layers";

// What is different in every run is left out here, so that the output can be compared.
const logger = pino({
  base: null,
  timestamp: false,
  formatters: { level: (label) => ({ level: label }), log: ({ latencyMs: _latency, ...record }) => record },
});

// With a key of your own, all processes write the same hash for the same session.
const storage = await openStorage("memory:", { layers: [logging({ logger, hashKey: "a secret of yours" })] });
await storage.createSession("trip-1", "ada", { metadata: { card: "4111 1111 1111 1111" } });
await storage.addConversationMessage("trip-1", "user", "My card is 4111 1111 1111 1111");
await storage.createSession("trip-1", "ada").catch(() => undefined);
await storage.close();
