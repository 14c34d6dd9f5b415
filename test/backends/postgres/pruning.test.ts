// Pruning many threads: short ones go together, and nobody's lock holds up the others.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const THREADS = 70;
const large = (n: number): unknown => Array.from({ length: 60 }, (_, i) => ({ id: i, text: `${n} ${i} `.repeat(40) }));

it("threads are pruned together, and one that somebody is writing to by itself", { timeout: 60_000 }, async () => {
  const url = await freshDatabase();
  const storage = postgresStorage({ url, pool: { max: 4 } });
  const blocker = new pg.Client({ connectionString: url });
  await blocker.connect();
  const threads = Array.from({ length: THREADS }, (_, i) => `t${String(i).padStart(3, "0")}`);
  await storage.createSession("s", "ada");
  for (const [i, thread] of threads.entries()) {
    for (let n = 0; n < 3; n++) {
      const parentId = n === 0 ? undefined : `c${n - 1}`;
      const sessionId = i % 3 === 0 ? "s" : undefined;
      await storage.storeCheckpoint(thread, `c${n}`, i % 2 === 0 ? { n } : large(n), { parentId, sessionId });
      await storage.putWrites(thread, `c${n}`, "task", [["a", n]]);
    }
  }
  const removed = { threads: THREADS, removedCheckpoints: 2 * THREADS, removedWrites: 2 * THREADS };
  expect(await storage.pruneCheckpoints({ keepLast: 1 }, { dryRun: true })).toMatchObject(removed);

  await blocker.query("BEGIN; SELECT 1 FROM waystone.threads WHERE thread_id = 't001' FOR UPDATE");
  const pruning = storage.pruneCheckpoints({ keepLast: 1 });
  const checkpoints = async (where: string): Promise<number> =>
    (await blocker.query(`SELECT count(*)::int AS count FROM waystone.checkpoints WHERE ${where}`)).rows[0].count;
  // All of its group but the one.
  while ((await checkpoints("thread_id <> 't001' AND thread_id < 't040'")) > 39) await sleep(10);
  expect(await checkpoints("thread_id = 't001'")).toBe(3);
  await blocker.query("ROLLBACK");
  expect(await pruning).toMatchObject({ ...removed, keptCheckpoints: THREADS });

  for (const [i, thread] of threads.entries()) {
    const head = await storage.getCheckpoint(thread, { writes: true });
    expect(head).toMatchObject({ checkpointId: "c2", data: i % 2 === 0 ? { n: 2 } : large(2) });
    expect(head?.writes).toHaveLength(1);
  }
  const { rows } = await blocker.query(`SELECT count(*)::int AS blocks FROM waystone.checkpoint_blocks
    GROUP BY thread_id ORDER BY 1`);
  // What only the removed states needed is gone: each thread has the blocks of one state.
  const single = postgresStorage({ url, schema: "beside", pool: { max: 1 } });
  await single.storeCheckpoint("t", "c", large(2));
  const alone = await blocker.query("SELECT count(*)::int AS blocks FROM beside.checkpoint_blocks");
  expect(rows.map(({ blocks }) => blocks)).toEqual(Array.from({ length: THREADS / 2 }, () => alone.rows[0].blocks));
  await single.close();
  await blocker.end();
  await storage.close();
});
