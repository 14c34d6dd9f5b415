// Sessions: counters that never lose an increment, metadata to search by, and pages.
import { isStorageError, openStorage } from "waystone";

await using storage = await openStorage("memory:");

await storage.createSession("trip-1", "ada", { metadata: { tier: "gold", channel: "web" } });
await storage.createSession("trip-2", "ada", { metadata: { tier: "free" } });
await storage.createSession("trip-3", "grace", { metadata: { tier: "gold" } });

// Twenty requests at once: each counts.
await Promise.all(
  Array.from({ length: 20 }, () =>
    storage.updateSession("trip-1", { incrementRequests: true, addProcessingTime: 0.25 }),
  ),
);
const counted = await storage.getSession("trip-1");
console.log("counted:", counted?.requestCount, "requests in", counted?.totalProcessingTime, "seconds");

// Sent twice because the answer was lost: the key makes the second one harmless.
for (const attempt of [1, 2]) {
  const session = await storage.updateSession("trip-2", { markError: true, idempotencyKey: "step-7" });
  console.log(`attempt ${attempt}:`, session.errorCount, "error");
}

// A decision that rests on what was read: refused if somebody else has written in between.
const read = await storage.getSession("trip-3");
await storage.updateSession("trip-3", { metadata: { tier: "silver" } });
try {
  await storage.updateSession("trip-3", { metadata: { tier: "free" }, expectedVersion: read?.version });
} catch (error) {
  if (!isStorageError(error)) throw error;
  console.log("stale decision:", error.code);
}

let page = await storage.listSessions({ limit: 2, direction: "asc" });
console.log("first page:", page.items.map((session) => session.sessionId).join(" "));
page = await storage.listSessions({ limit: 2, direction: "asc", cursor: page.nextCursor });
console.log("next page:", page.items.map((session) => session.sessionId).join(" "));

const gold = await storage.listSessions({ metadata: { tier: "gold" } });
console.log("gold:", gold.items.map((session) => session.sessionId).join(" "));

const ended = await storage.endSession("trip-1");
console.log("ended:", ended.status);
