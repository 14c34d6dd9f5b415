// Several processes on one file: they may all create it at once (F3), and none loses what another wrote (S1, S2, C1).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { sqliteStorage } from "../../../../src/backends/sqlite/index.js";
import { firstValue, newPath } from "../folder.js";

const PROCESSES = 6;
const TIMES = 40;

async function run(path: string, name: string): Promise<{ created: number }> {
  const args = [join(import.meta.dirname, "counter.ts"), path, name, String(TIMES)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as { created: number };
}

it(`${PROCESSES} processes open a new file at once, migrate it once, and count together`, {
  timeout: 240_000,
}, async () => {
  const path = newPath();
  const reports = await Promise.all(Array.from({ length: PROCESSES }, (_, i) => run(path, `p${i}`)));
  await using storage = sqliteStorage(path);
  const total = PROCESSES * TIMES;
  expect(await storage.getSession("shared")).toMatchObject({
    requestCount: total,
    messageCount: total,
    lastSeq: total,
  });
  const messages = await storage.getConversationHistory("shared", { limit: 10_000 });
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  expect(new Set(messages.map(({ content }) => content)).size).toBe(total);
  // Of the racing creators of each session exactly one created it.
  expect(reports.reduce((sum, { created }) => sum + created, 0)).toBe(TIMES);
  expect(firstValue(path, "PRAGMA integrity_check")).toBe("ok");
});
