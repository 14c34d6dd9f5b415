// Opening: many at once, schemas that are old, new or somebody else's to make, and what is refused.
import pg from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { type PostgresStorageOptions, postgresSchema, postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const pools: pg.Pool[] = [];

afterAll(async () => {
  for (const pool of pools) await pool.end();
});

function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pools.push(pool);
  return pool;
}

describe("the schema", () => {
  it.each([undefined, 4])(
    "is made once when many storages open an empty database at the same time, in %s parts",
    async (partitions) => {
      const url = await freshDatabase();
      const storages = Array.from({ length: 16 }, () => postgresStorage({ url, partitions }));
      await Promise.all(storages.map((storage) => storage.initialize()));
      await Promise.all(storages.map((storage, i) => storage.createSession(`s${i}`, "ada")));
      expect((await storages[0]?.listSessions({ limit: 100 }))?.items).toHaveLength(16);
      await Promise.all(storages.map((storage) => storage.close()));
      const { rows } = await poolOf(url).query("SELECT version::int FROM waystone.schema_version");
      expect(rows).toEqual([{ version: 1 }]);
    },
  );

  it("has a name of the caller's choice, whatever letters it has", async () => {
    const url = await freshDatabase();
    const schema = 'agents of "ada"; DROP TABLE x; --';
    await using storage = postgresStorage({ url, schema });
    await storage.createSession("s", "ada");
    await using other = postgresStorage({ url });
    expect(await other.getSession("s")).toBeUndefined();
    const { rows } = await poolOf(url).query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
    expect(rows).toHaveLength(1);
  });

  it("is only looked at with migrate: false", async () => {
    const url = await freshDatabase();
    await using checking = postgresStorage({ url, migrate: false });
    await expect(checking.initialize()).rejects.toMatchObject({ code: "CONNECTION", retryable: false });
    const { rows } = await poolOf(url).query("SELECT 1 FROM pg_namespace WHERE nspname = 'waystone'");
    expect(rows).toEqual([]);
    await using making = postgresStorage({ url });
    await making.initialize();
    await checking.initialize();
  });

  it("is used with rights on its tables alone", async () => {
    const url = await freshDatabase();
    await using owner = postgresStorage({ url });
    await owner.initialize();
    const admin = poolOf(url);
    const role = `app_${new URL(url).pathname.slice(1)}`;
    await admin.query(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA waystone TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA waystone TO ${role}`);
    const address = new URL(url);
    address.username = role;
    await using app = postgresStorage({ url: address.href });
    await app.createSession("s", "ada");
    await app.addConversationMessage("s", "user", "hello");
    expect(await app.deleteSession("s")).toBe(true);
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  it("is made by a script as well as by a storage", async () => {
    const url = await freshDatabase();
    const admin = poolOf(url);
    await admin.query(postgresSchema("by hand"));
    await using storage = postgresStorage({ url, schema: "by hand", migrate: false });
    await storage.createSession("s", "ada");
    await using other = postgresStorage({ url });
    await other.initialize();
    const columns = async (schema: string): Promise<unknown[]> =>
      (
        await admin.query(
          `SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns
           WHERE table_schema = $1 ORDER BY table_name, ordinal_position`,
          [schema],
        )
      ).rows;
    expect(await columns("by hand")).toEqual(await columns("waystone"));
  });

  it("of a newer version is refused, and left as it is", async () => {
    const url = await freshDatabase();
    await using first = postgresStorage({ url });
    await first.initialize();
    await poolOf(url).query("INSERT INTO waystone.schema_version (version) VALUES (99)");
    await using second = postgresStorage({ url });
    await expect(second.initialize()).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });

  it("that is not there while a call runs is told as that", async () => {
    const url = await freshDatabase();
    await using storage = postgresStorage({ url });
    await storage.initialize();
    await poolOf(url).query("DROP SCHEMA waystone CASCADE");
    await expect(storage.createSession("s", "ada")).rejects.toMatchObject({ code: "CONNECTION", retryable: false });
    expect((await storage.healthCheck()).status).toBe("unhealthy");
  });
});

describe("a pool of the application's own", () => {
  it.each([true, false])("is used and not closed, pipelined: %s", async (pipeline) => {
    const url = await freshDatabase();
    const pool = new pg.Pool({ connectionString: url, max: 3, pipeline } as pg.PoolConfig);
    const storage = postgresStorage({ pool });
    await storage.createSession("s", "ada");
    await Promise.all(Array.from({ length: 20 }, (_, i) => storage.addConversationMessage("s", "user", `${i}`)));
    await storage.storeCheckpoint("t", "c", { big: "x".repeat(10_000) }, { sessionId: "s" });
    expect((await storage.getCheckpoint("t"))?.data).toEqual({ big: "x".repeat(10_000) });
    await storage.close();
    expect((await pool.query("SELECT count(*)::int AS count FROM waystone.messages")).rows).toEqual([{ count: 20 }]);
    expect(pool.listenerCount("error")).toBe(0);
    await pool.end();
  });
});

describe("options", () => {
  it.each<[PostgresStorageOptions | string, string]>([
    [{}, "needs a url or a pool"],
    ["mysql://localhost/x", "must begin with postgresql://"],
    [{ url: "postgresql://localhost/x", schema: "" }, "schema"],
    [{ url: "postgresql://localhost/x", schema: "pg_own" }, "pg_"],
    [{ url: "postgresql://localhost/x", schema: "x".repeat(64) }, "63 bytes"],
    [{ url: "postgresql://localhost/x", pool: { max: 0 } }, "pool.max"],
    [{ url: "postgresql://localhost/x", pool: { min: 5, max: 2 } }, "pool.min"],
    [{ url: "postgresql://localhost/x", partitions: 1 }, "partitions"],
    [{ url: "postgresql://localhost/x", partitions: 257 }, "partitions"],
    [{ url: "postgresql://localhost/x", rls: 1 as unknown as boolean }, "rls"],
    [{ url: "postgresql://localhost/x", migrate: "no" as unknown as boolean }, "migrate"],
    [{ url: "postgresql://localhost/x", colour: 1 } as PostgresStorageOptions, "colour"],
  ])("%j is refused: %s", (options, message) => {
    expect(() => postgresStorage(options)).toThrow(message);
  });

  it("never shows the password of a URL in an error", async () => {
    await using storage = postgresStorage("postgresql://ada:hunter2@127.0.0.1:1/nowhere");
    const failure = await storage.initialize().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
    expect(`${(failure as Error).message}${(failure as Error).stack}${JSON.stringify(failure)}`).not.toContain(
      "hunter2",
    );
  });
});
