// How many statements a call sends.
import pg from "pg";
import { expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const small = { step: 1 };
const large = { messages: Array.from({ length: 800 }, (_, i) => ({ id: `m${i}`, text: `${i} `.repeat(300) })) };

it.each([
  { pipeline: true, preparedStatements: true },
  { pipeline: false, preparedStatements: true },
  { pipeline: true, preparedStatements: false },
])(
  "a checkpoint is read by one, also one that another process has made large since (K5): %o",
  async ({ pipeline, preparedStatements }) => {
    const url = await freshDatabase();
    const pool = new pg.Pool({ connectionString: url, pipeline });
    let sent = 0;
    pool.on("connect", (client) => {
      const query = client.query;
      client.query = ((...of: Parameters<typeof query>) => {
        sent += 1;
        return query.apply(client, of);
      }) as typeof query;
    });
    const here = postgresStorage({ pool, preparedStatements });
    const there = postgresStorage({ url, pool: { max: 1 } });
    const read = async (options?: { readonly writes: boolean }): Promise<unknown> => {
      sent = 0;
      const found = await here.getCheckpoint("t", options);
      expect(sent).toBe(1);
      return found?.data;
    };
    await here.storeCheckpoint("t", "c1", small);
    expect(await read()).toEqual(small);
    await there.storeCheckpoint("t", "c2", large);
    expect(await read()).toEqual(large);
    expect(await read({ writes: true })).toEqual(large);
    await there.storeCheckpoint("t", "c3", small);
    expect(await read()).toEqual(small);
    await here.close();
    await there.close();
    await pool.end();
  },
);

it("a state that follows another one is stored by one, whatever another process has removed before it is stored all the same (K4)", async () => {
  const url = await freshDatabase();
  const pool = new pg.Pool({ connectionString: url, pipeline: true });
  let sent = 0;
  pool.on("connect", (client) => {
    const query = client.query;
    client.query = ((...of: Parameters<typeof query>) => {
      sent += 1;
      return query.apply(client, of);
    }) as typeof query;
  });
  const here = postgresStorage({ pool });
  const there = postgresStorage({ url, pool: { max: 1 } });
  const state = (step: number): unknown => ({ messages: [...large.messages, ...large.messages.slice(0, step)] });
  const store = async (step: number): Promise<number> => {
    sent = 0;
    await here.storeCheckpoint("t", `c${step}`, state(step));
    const statements = sent;
    expect((await there.getCheckpoint("t"))?.data).toEqual(state(step));
    return statements;
  };
  await store(1);
  for (const step of [2, 3, 4]) expect(await store(step)).toBe(1);
  // The nodes of the newest state go, and what they share with those before stays.
  await there.deleteCheckpoints("t", ["c4", "c3"]);
  expect(await store(5)).toBeGreaterThan(1);
  for (const step of [6, 7]) expect(await store(step)).toBe(1);
  await there.deleteThread("t");
  expect(await store(8)).toBeGreaterThan(1);
  expect(await store(9)).toBe(1);
  await here.close();
  await there.close();
  await pool.end();
});
