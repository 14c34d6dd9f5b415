// Task contexts: versions, compare-and-set, and one context for two agents.
import { isStorageError, openStorage } from "waystone";

await using storage = await openStorage("memory:", { keepVersions: 3 });

await storage.createSession("planner", "ada");
await storage.createSession("booker", "ada");

await storage.storeTaskContext("planner", { goal: "Lyon on Friday", open: new Set(["train", "hotel"]) });
await storage.storeTaskContext("planner", { goal: "Lyon on Friday", open: new Set(["hotel"]) });
const newest = await storage.getTaskContext("planner");
console.log("version", newest?.version, newest?.context);
const first = await storage.getTaskContext("planner", { version: 1 });
console.log("version", first?.version, first?.context);

// From now on both read and write the same one.
await storage.shareTaskContext("planner", "booker");
await storage.storeTaskContext("booker", { goal: "Lyon on Friday", open: new Set() }, { expectedVersion: 2 });
console.log("the planner reads version", (await storage.getTaskContext("planner"))?.version);

// The planner had decided on version 2 and does not know yet: it has to read again.
try {
  await storage.storeTaskContext("planner", { goal: "Paris" }, { expectedVersion: 2 });
} catch (error) {
  if (!isStorageError(error)) throw error;
  console.log("the planner is told:", error.code);
}

await storage.storeTaskContext("planner", { goal: "Lyon on Saturday" }, { expectedVersion: 3 });
const kept = await storage.listTaskContextVersions("booker");
console.log("kept versions:", kept.map(({ version }) => version).join(" "));

// The context lives until its last session is gone.
await storage.deleteSession("planner");
console.log("the booker still reads:", (await storage.getTaskContext("booker"))?.context);
