// kill -9 of the process with the failover: what it acknowledged is in both stores afterwards, once.
// WAYSTONE_TEST_SCALE=full runs more rounds.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { sqliteStorage } from "../../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { type FailoverMode, failover } from "../../../../src/layers/index.js";
import { everyRecord } from "../workload.js";

const ROUNDS = process.env.WAYSTONE_TEST_SCALE === "full" ? 25 : 3;

interface Line {
  readonly state: "sent" | "acknowledged";
  readonly session: string;
  readonly kind: "message" | "count" | "checkpoint";
  readonly step: number;
}

it.each<[FailoverMode]>([["sync-both"], ["primary-then-fallback"]])(
  `%s: killed ${ROUNDS} times`,
  { timeout: 60_000 + ROUNDS * 15_000 },
  async (mode) => {
    const folder = await mkdtemp(join(tmpdir(), "waystone-failover-kill-"));
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        const lines = await killedWriter(folder, `round-${round}`, mode);
        const primary = sqliteStorage({ path: join(folder, "primary.db") });
        const fallback = sqliteStorage({ path: join(folder, "fallback.db") });
        const pair = failover({ fallback, mode, journal: join(folder, "failover.journal") });
        await using storage = pair(primary);
        await sendAgain(storage, lines);
        expect(await pair.flush()).toBe(true);
        for (const store of [primary, fallback]) await examine(store, lines);
        expect(await everyRecord(fallback)).toEqual(await everyRecord(primary));
        expect(lines.filter(({ state }) => state === "acknowledged").length).toBeGreaterThan(0);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

async function killedWriter(folder: string, name: string, mode: FailoverMode): Promise<Line[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "writer.ts"), folder, name, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let output = "";
  child.stdout.setEncoding("utf8");
  const begun = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: string) => {
      output += text;
      if (output.includes('"acknowledged"')) resolve();
    });
  });
  await Promise.race([begun, closed]);
  await sleep(100 + Math.random() * 400);
  child.kill("SIGKILL");
  const [code, signal] = await closed;
  if (signal !== "SIGKILL") throw new Error(`the writer ended by itself with ${code ?? signal}`);
  return output
    .slice(0, output.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Counts again what may or may not have been counted: its key keeps it from counting twice. */
async function sendAgain(storage: StorageBackend, lines: readonly Line[]): Promise<void> {
  for (const { state, session, kind, step } of lines) {
    if (state !== "sent" || kind !== "count") continue;
    await storage.updateSession(session, { incrementRequests: true, idempotencyKey: `${step}` });
  }
}

async function examine(store: StorageBackend, lines: readonly Line[]): Promise<void> {
  for (const session of new Set(lines.map((line) => line.session))) {
    const steps = (state: Line["state"], kind: Line["kind"]): string[] =>
      lines
        .filter((line) => line.session === session && line.state === state && line.kind === kind)
        .map(({ step }) => `${step}`);
    const messages = (await store.getConversationHistory(session, { limit: 10_000 })).map(({ content }) =>
      String(content),
    );
    const checkpoints = (await store.listCheckpoints(session, { limit: 10_000 })).map(
      ({ checkpointId }) => checkpointId,
    );
    for (const [stored, kind] of [
      [messages, "message"],
      [checkpoints.reverse(), "checkpoint"],
    ] as const) {
      const acknowledged = steps("acknowledged", kind);
      expect(stored.slice(0, acknowledged.length)).toEqual(acknowledged);
      // The last one was under way.
      expect(stored.length).toBeLessThanOrEqual(steps("sent", kind).length);
    }
    expect((await store.getSession(session))?.requestCount).toBe(steps("sent", "count").length);
  }
}
