// Everything that a tenant has, as records: to a file of JSON Lines and back into another store.
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { openStorage, type StorageRecord } from "waystone";

await using source = await openStorage("memory:");
await source.createSession("trip-1", "ada", { metadata: { tier: "gold" } });
await source.addConversationMessage("trip-1", "user", "Find me a train to Lyon");
await source.addConversationMessage("trip-1", "assistant", [
  { type: "tool-call", toolName: "search", input: { to: "Lyon", on: new Date("2026-02-06T00:00:00Z") } },
]);
await source.storeCheckpoint("trip-1", "step-1", { plan: ["search", "book"] }, { sessionId: "trip-1" });
await source.putItem(["users", "ada"], "home", { city: "Paris" });

const folder = await mkdtemp(join(tmpdir(), "waystone-example-"));
const file = join(folder, "backup.jsonl");

async function* lines(records: AsyncIterable<StorageRecord>): AsyncGenerator<string> {
  for await (const record of records) yield `${JSON.stringify(record)}\n`;
}
await pipeline(lines(source.exportRecords()), createWriteStream(file));

async function* readRecords(path: string): AsyncGenerator<StorageRecord> {
  for await (const line of createInterface({ input: createReadStream(path) })) yield JSON.parse(line);
}
await using target = await openStorage("memory:");
const report = await target.importRecords(readRecords(file));
console.log("imported:", report.imported);

const [, message] = await target.getConversationHistory("trip-1");
console.log("the second message:", message?.content);

// Again: what is there stays, unless the import is told to replace it.
const again = await target.importRecords(readRecords(file), { onConflict: "skip" });
console.log("skipped:", again.skipped, "records");

await rm(folder, { recursive: true });
