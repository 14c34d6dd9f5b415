/** F5 and K1 on SQLite: writers are killed with SIGKILL; nothing acknowledged is lost, nothing is stored in half. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqliteStorage } from "../../../../src/backends/sqlite/index.js";
import { examine, killedWriter, sendAgain } from "./round.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";
const ROUNDS = FULL ? 250 : 25;
const PAIRS = FULL ? 100 : 8;

test(`${ROUNDS} rounds: a writer is killed, nothing acknowledged is lost and nothing is half`, {
  timeout: 900_000,
}, async () => {
  let acknowledged = 0;
  let open = 0;
  await inFolder(async (folder) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = join(folder, `store-${round % 5}.db`);
      const lines = await killedWriter(path, `round-${round}`, Math.random() * 60);
      await using storage = sqliteStorage({ path });
      const report = await examine(storage, lines);
      expect(report.lost, `round ${round}`).toEqual([]);
      expect(report.half, `round ${round}`).toEqual([]);
      await sendAgain(storage, report.open);
      const again = await examine(storage, lines);
      expect(again.half, `round ${round}, sent again`).toEqual([]);
      acknowledged += report.acknowledged;
      open += report.open.length;
    }
  });
  console.log(`${ROUNDS} kills, ${acknowledged} acknowledged operations, ${open} cut off; lost 0, half 0`);
  expect(acknowledged).toBeGreaterThan(ROUNDS);
});

test(`${PAIRS} rounds: of two writers on one file one is killed, the other goes on and loses nothing`, {
  timeout: 900_000,
}, async () => {
  await inFolder(async (folder) => {
    for (let round = 0; round < PAIRS; round += 1) {
      const path = join(folder, "shared.db");
      const [first, second] = await Promise.all([
        killedWriter(path, `first-${round}`, 40 + Math.random() * 40),
        killedWriter(path, `second-${round}`, 150 + Math.random() * 40),
      ]);
      await using storage = sqliteStorage({ path });
      for (const lines of [first, second]) {
        const report = await examine(storage, lines);
        expect([report.lost, report.half], `round ${round}`).toEqual([[], []]);
      }
    }
  });
});

test("the check can fail: a writer that acknowledges before the store does is found out", {
  timeout: 120_000,
}, async () => {
  await inFolder(async (folder) => {
    let lost = 0;
    for (let round = 0; round < 30 && lost === 0; round += 1) {
      const path = join(folder, `early-${round}.db`);
      const lines = await killedWriter(path, "early", Math.random() * 20, "early");
      await using storage = sqliteStorage({ path });
      lost += (await examine(storage, lines)).lost.length;
    }
    expect(lost).toBeGreaterThan(0);
  });
});

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "waystone-kill-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
