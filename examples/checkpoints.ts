// Checkpoints: resume at the latest, fork an older one, keep what tasks wrote before the step was over.
import { isStorageError, openStorage } from "waystone";

await using storage = await openStorage("memory:");

// A workflow stores its whole state after each step.
await storage.storeCheckpoint("plan", "step-1", { done: ["search"], found: new Map([["TGV 6607", 59]]) });
await storage.storeCheckpoint("plan", "step-2", { done: ["search", "book"] }, { parentId: "step-1" });

const latest = await storage.getCheckpoint("plan");
console.log("resume at:", latest?.checkpointId, latest?.data);

// Time travel: go back to step-1 and take another road from there.
const earlier = await storage.getCheckpoint("plan", { checkpointId: "step-1" });
console.log("back at:", earlier?.checkpointId, earlier?.data);
await storage.storeCheckpoint("plan", "step-2b", { done: ["search", "ask"] }, { parentId: "step-1" });
for (const { checkpointId, parentId, seq } of await storage.listCheckpoints("plan")) {
  console.log(`  ${seq} ${checkpointId} <- ${parentId ?? "the beginning"}`);
}

// An experiment on a copy leaves the original alone.
await storage.copyThread("plan", "what-if");
await storage.storeCheckpoint("what-if", "step-3", { done: ["search", "ask", "cancel"] });
console.log("the original is still at:", (await storage.getCheckpoint("plan"))?.checkpointId);

// Two tasks run in the step after step-2b; one has finished, one waits for a person. Both survive a crash here.
await storage.putWrites("plan", "step-2b", "price-task", [["price", 59]]);
await storage.putWrites("plan", "step-2b", "human-task", [["__interrupt__", { ask: "Book it for 59 EUR?" }]]);
const waiting = await storage.getCheckpoint("plan", { writes: true });
for (const { taskId, channel, value } of waiting?.writes ?? []) console.log("written:", taskId, channel, value);

// Two workers continue from the same head: exactly one wins.
const outcomes = await Promise.allSettled(
  ["worker-a", "worker-b"].map((worker) =>
    storage.storeCheckpoint(
      "plan",
      `step-3-of-${worker}`,
      { worker },
      { parentId: "step-2b", expectedHead: "step-2b" },
    ),
  ),
);
for (const outcome of outcomes) {
  if (outcome.status === "fulfilled") console.log("stored:", outcome.value.checkpointId);
  else if (isStorageError(outcome.reason)) console.log("refused:", outcome.reason.code);
  else throw outcome.reason;
}

const report = await storage.pruneCheckpoints({ keepLast: 1, threadId: "plan" });
console.log("pruned:", report.removedCheckpoints, "removed,", report.keptCheckpoints, "kept");
