// What does the application ask of its storage, how long does it take, and what fails?
import { openStorage } from "waystone";
import { monitor } from "waystone/layers";

const watch = monitor({ samples: 100 });
const storage = await openStorage("memory:", { layers: [watch] });

await storage.createSession("trip-1", "ada");
for (let i = 0; i < 20; i++) await storage.addConversationMessage("trip-1", "user", `message ${i}`);
for (let i = 0; i < 5; i++) await storage.createSession("trip-1", "ada").catch(() => undefined);

for (const [operation, report] of Object.entries(watch.performanceReport())) {
  const { totalOperations, errorCount, errorRate, errors } = report;
  console.log(operation, { totalOperations, errorCount, errorRate: Number(errorRate.toFixed(3)), errors });
  const { minLatencyMs, p50LatencyMs, p95LatencyMs, p99LatencyMs } = report;
  console.log(
    "  min <= p50 <= p95 <= p99:",
    minLatencyMs <= p50LatencyMs && p50LatencyMs <= p95LatencyMs && p95LatencyMs <= p99LatencyMs,
  );
}
const newest = watch.samples();
console.log(newest.length, "samples for a plot, the newest:", newest.at(-1)?.operation, newest.at(-1)?.code);
await storage.close();
