// Hash partitions: rows are spread, the number is chosen once, and counts are those of all partitions.
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";

let url: string;
let admin: pg.Pool;

beforeAll(async () => {
  url = await freshDatabase();
  admin = new pg.Pool({ connectionString: url, max: 1 });
});
afterAll(() => admin.end());

const countOf = async (table: string): Promise<number> =>
  (await admin.query<{ count: number }>(`SELECT count(*)::int AS count FROM waystone.${table}`)).rows[0]?.count ?? 0;

describe("partitions", () => {
  it("take the rows of what grows, a session or thread in one of them", async () => {
    await using storage = postgresStorage({ url, partitions: 4 });
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await storage.createSession(`s${i}`, "ada");
        await storage.addConversationMessages(`s${i}`, [
          { role: "user", content: "one" },
          { role: "user", content: "two" },
        ]);
        await storage.storeCheckpoint(`t${i}`, "c", { big: "x".repeat(5_000) });
        await storage.putItem(["n"], `k${i}`, { i });
      }),
    );
    for (const [table, rows] of [
      ["messages", 80],
      ["checkpoints", 40],
      ["items", 40],
    ] as const) {
      const counts = await Promise.all([0, 1, 2, 3].map((part) => countOf(`${table}_${part}`)));
      expect(
        counts.reduce((sum, each) => sum + each, 0),
        table,
      ).toBe(rows);
      expect(counts.filter((each) => each > 0).length, table).toBeGreaterThan(1);
    }
    const split = await admin.query(
      "SELECT session_id FROM waystone.messages GROUP BY 1 HAVING count(DISTINCT tableoid) > 1",
    );
    expect(split.rows).toEqual([]);
  });

  it("are as many as they were, and another number is refused", async () => {
    for (const partitions of [0, 8]) {
      await using other = postgresStorage({ url, partitions });
      await expect(other.initialize()).rejects.toMatchObject({ code: "UNSUPPORTED", message: /has 4 partitions, not/ });
    }
    await using same = postgresStorage({ url, partitions: 4 });
    await same.initialize();
    await using untold = postgresStorage({ url });
    expect((await untold.getConversationHistory("s1")).map(({ content }) => content)).toEqual(["one", "two"]);
  });

  it("are counted together, and estimated together when they are large", async () => {
    await using storage = postgresStorage({ url });
    expect(await storage.getMetrics()).toMatchObject({
      messages: { value: 80, exact: true },
      items: { value: 40, exact: true },
    });
    await admin.query(
      "UPDATE pg_class SET reltuples = 150000 WHERE relname LIKE 'items_%' AND relispartition AND relkind = 'r'",
    );
    expect((await storage.getMetrics()).items.exact).toBe(false);
  });
});
