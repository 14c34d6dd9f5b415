// Vectors on PostgreSQL: with and without pgvector, before and after it comes, by an index, and beside the memory backend.
import type pg from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import {
  type PostgresStorageOptions,
  postgresStorage,
  postgresVectorIndex,
  postgresVectorSchema,
} from "../../../src/backends/postgres/index.js";
import type { ItemQuery } from "../../../src/contract/item-storage.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { recordsOf } from "../../../src/testing/assertions.js";
import { startPglite } from "../../support/pglite.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const N = ["n"];
const similarTo = { vector: [1, 0], distance: "dot" } as const;

const keysOf = async (storage: StorageBackend, query: ItemQuery = { similarTo }): Promise<string[]> =>
  (await storage.searchItems(N, query)).items.map(({ key }) => key);

const vectorCheck = async (storage: StorageBackend) =>
  (await storage.healthCheck()).checks.find(({ name }) => name === "vectors");

describe("a server without pgvector", () => {
  it("refuses vectors and says why, and is healthy", async () => {
    await using storage = postgresStorage({ url: await freshDatabase() });
    const refused = { code: "UNSUPPORTED", outcome: "not-applied", message: expect.stringContaining("pgvector") };
    await expect(storage.putItem(N, "k", {}, { vectors: [[1, 0]] })).rejects.toMatchObject(refused);
    await expect(storage.searchItems(N, { similarTo })).rejects.toMatchObject(refused);
    const vectors = ["AACAPwAAAAA="];
    await storage.putItem(N, "k", {});
    const records = (await recordsOf(storage)).map((record) => ({
      ...record,
      key: "new",
      vectors,
    }));
    await expect(storage.importRecords(records as never)).rejects.toMatchObject(refused);
    expect(await storage.countItems(N)).toBe(1);
    expect(await vectorCheck(storage)).toMatchObject({ status: "ok", message: expect.stringContaining("no vectors") });
    expect((await storage.healthCheck()).status).toBe("healthy");
  });

  it("opens with createExtension, and warns that it cannot be created", async () => {
    await using storage = postgresStorage({ url: await freshDatabase(), createExtension: true });
    await storage.putItem(N, "k", {});
    await expect(storage.searchItems(N, { similarTo })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(await vectorCheck(storage)).toMatchObject({
      status: "warning",
      message: expect.stringContaining("install pgvector"),
    });
  });
});

describe("a server with pgvector", { timeout: 180_000 }, () => {
  const servers: Promise<pg.Pool>[] = [];
  let shared: Promise<pg.Pool> | undefined;
  let schemas = 0;
  const started = (): Promise<pg.Pool> => {
    const server = startPglite();
    servers.push(server);
    return server;
  };
  afterAll(async () => {
    for (const server of servers) await (await server).end();
  });

  /** On a server that has the extension. */
  async function opened(
    options: PostgresStorageOptions = {},
  ): Promise<{ storage: StorageBackend; pool: pg.Pool; schema: string }> {
    shared ??= started();
    const pool = await shared;
    schemas += 1;
    const schema = `s${schemas}`;
    return { storage: postgresStorage({ pool, schema, createExtension: true, ...options }), pool, schema };
  }

  it("does not create the extension unasked; a storage that was opened before knows it as soon as it is there", async () => {
    const pool = await started();
    await using early = postgresStorage({ pool });
    await early.putItem(N, "k", {});
    await expect(early.putItem(N, "k", {}, { vectors: [[1, 0]] })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect((await pool.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'")).rows).toEqual([]);
    await using looking = postgresStorage({ pool });
    await using deleting = postgresStorage({ pool });
    await Promise.all([looking.initialize(), deleting.initialize()]);

    await using creating = postgresStorage({ pool, createExtension: true });
    await creating.putItem(N, "k", {}, { vectors: [[2, 0]] });
    await creating.putItem(N, "other", {}, { vectors: [[1, 0]] });
    expect(await vectorCheck(creating)).toMatchObject({ status: "ok", message: expect.stringMatching(/^pgvector \d/) });
    // It puts without vectors, and would leave those of the value before if it believed what it found when it was opened.
    await early.putItem(N, "k", { changed: true });
    expect(await keysOf(creating)).toEqual(["other"]);
    expect(await keysOf(early)).toEqual(["other"]);
    const records = await recordsOf(looking);
    expect(records.filter((record) => record.kind === "item" && record.vectors !== undefined)).toHaveLength(1);
    expect(await deleting.deleteItems(N)).toBe(2);
    await creating.putItem(N, "k", {}, { vectors: [[1, 0, 0]] });
  });

  it("takes the tables that postgresVectorSchema makes, with migrate: false", async () => {
    const { storage, pool, schema } = await opened({ createExtension: false });
    const before = postgresStorage({ pool, schema, migrate: false });
    await pool.query("CREATE EXTENSION IF NOT EXISTS vector");
    await storage.initialize();
    await pool.query(`DROP TABLE ${schema}.item_vectors, ${schema}.item_dimensions`);
    await expect(before.putItem(N, "k", {}, { vectors: [[1, 0]] })).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringContaining("tables"),
    });
    await pool.query(postgresVectorSchema({ schema }));
    await before.putItem(N, "k", {}, { vectors: [[1, 0]] });
    expect(await keysOf(before)).toEqual(["k"]);
    await before.close();
    await storage.close();
  });

  it("ranks as the memory backend does, whatever the distance, the page and the filter", async () => {
    const { storage } = await opened();
    await using memory = memoryStorage();
    let seed = 1;
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed / 2 ** 32 - 0.5;
    };
    const vector = (): number[] => Array.from({ length: 24 }, random);
    const puts = Array.from({ length: 300 }, (_, i) => ({
      put: {
        namespace: ["n", `user${i % 7}`],
        key: `k${i}`,
        value: { kind: i % 3 },
        ...(i % 10 === 0 ? {} : { vectors: Array.from({ length: 1 + (i % 3) }, vector) }),
      },
    }));
    for (const each of [memory, storage]) await each.batchItems(puts);
    for (const distance of ["cosine", "dot", "euclidean"] as const) {
      const query = vector();
      const queries: (ItemQuery & { readonly prefix?: string[] })[] = [
        { similarTo: { vector: query, distance }, limit: 500 },
        { similarTo: { vector: query, distance, withoutVectors: "last" }, limit: 500 },
        { similarTo: { vector: query, distance }, filter: { kind: { $gte: 1 } }, limit: 20, offset: 7 },
        { similarTo: { vector: query, distance }, prefix: ["n", "user3"], limit: 500 },
        { similarTo: { vector: query, distance }, prefix: [], limit: 500 },
      ];
      for (const { prefix = N, ...each } of queries) {
        const [expected, found] = await Promise.all([memory, storage].map((one) => one.searchItems(prefix, each)));
        expect(found?.items.map(({ key }) => key)).toEqual(expected?.items.map(({ key }) => key));
        for (const [i, { score }] of (expected?.items ?? []).entries()) {
          if (score === undefined) expect(found?.items[i]?.score).toBeUndefined();
          else expect(found?.items[i]?.score).toBeCloseTo(score, 5);
        }
      }
    }
    await storage.close();
  });

  it("gives a finite score for numbers that it cannot add up, and pages go on behind it", async () => {
    const { storage } = await opened();
    const most = 3e38;
    for (const [i, vector] of [
      [most, most],
      [most, -most],
      [-most, -most],
      [0, 0],
      [1, 1],
    ].entries()) {
      await storage.putItem(N, `k${i}`, {}, { vectors: [vector] });
    }
    for (const distance of ["cosine", "dot", "euclidean"] as const) {
      const query = { similarTo: { vector: [most, most], distance } };
      const { items } = await storage.searchItems(N, query);
      expect(items).toHaveLength(5);
      for (const { score } of items) expect(Number.isFinite(score)).toBe(true);
      const first = await storage.searchItems(N, { ...query, limit: 2 });
      const rest = await storage.searchItems(N, { ...query, cursor: first.nextCursor });
      expect([...first.items, ...rest.items]).toEqual(items);
    }
    await storage.close();
  });

  it("keeps vectors of 16,000 dimensions, and leaves none behind with their items", async () => {
    const { storage, pool, schema } = await opened();
    const long = new Float32Array(16_000).fill(0.25);
    await storage.putItem(["long"], "k", {}, { vectors: [long, long.map((each) => -each)] });
    const [found] = (await storage.searchItems(["long"], { similarTo: { vector: long, distance: "dot" } })).items;
    expect(found?.score).toBe(1_000);
    await storage.batchItems([
      { put: { namespace: N, key: "a", value: {}, vectors: [[1, 0]] } },
      { put: { namespace: N, key: "b", value: {}, vectors: [[1, 0]], ttlMs: 1 } },
    ]);
    await storage.deleteItem(N, "a");
    await storage.deleteItems(["long"]);
    await expect(storage.putItem(["long"], "k", {}, { vectors: [[1]] })).resolves.toMatchObject({ version: 1 });
    await storage.deleteItems(["long"]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    // A put that will expire sweeps what has expired.
    await storage.putItem(N, "c", {}, { ttlMs: 60_000 });
    const { rows } = await pool.query(`SELECT item_id FROM ${schema}.item_vectors`);
    expect(rows).toEqual([]);
    await storage.close();
  });

  it("finds by an index of its own where vectorSearch is hnsw, and fills every page", async () => {
    const { storage, pool, schema } = await opened({ vectorSearch: "hnsw" });
    let seed = 1;
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed / 2 ** 32 - 0.5;
    };
    const vector = (): number[] => Array.from({ length: 16 }, random);
    const puts = Array.from({ length: 2_000 }, (_, i) => ({
      put: {
        namespace: N,
        key: `k${i}`,
        value: { kind: i % 50 },
        vectors: i % 4 === 0 ? [vector(), vector()] : [vector()],
      },
    }));
    await storage.batchItems(puts, { timeoutMs: 60_000 });
    await pool.query(postgresVectorIndex({ dimensions: 16, schema }));
    await pool.query(`ANALYZE ${schema}.items, ${schema}.item_vectors`);
    await using exact = postgresStorage({ pool, schema });
    const scans = async (): Promise<number> => {
      await pool.query("SELECT pg_stat_force_next_flush()");
      const { rows } = await pool.query(
        `SELECT coalesce(sum(idx_scan), 0)::int AS n FROM pg_stat_user_indexes WHERE schemaname = $1 AND indexrelname = 'item_vectors_cosine_16'`,
        [schema],
      );
      return rows[0].n;
    };
    let hits = 0;
    for (let i = 0; i < 20; i++) {
      const query = { similarTo: { vector: vector() } };
      const [nearest, all] = [await keysOf(storage, query), await keysOf(exact, query)];
      expect(nearest).toHaveLength(10);
      expect(new Set(nearest).size).toBe(10);
      hits += nearest.filter((key) => all.includes(key)).length;
    }
    // An index of this size misses few.
    expect(hits).toBeGreaterThan(180);
    expect(await scans()).toBeGreaterThan(0);
    const rare = { similarTo: { vector: vector() }, filter: { kind: 7 }, limit: 40 };
    expect(await keysOf(storage, rare)).toEqual(await keysOf(exact, rare));
    const near = { similarTo: { vector: vector(), minScore: 0.4 }, limit: 1_000 };
    expect((await keysOf(storage, near)).length).toBeGreaterThan(0);
    expect((await storage.searchItems(N, near)).items.every(({ score }) => (score ?? 0) >= 0.4)).toBe(true);
    await expect(storage.searchItems(N, { similarTo: { vector: [1, 2] } })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await storage.close();
  });

  it("keeps tenants apart by row-level security too, and deletes vectors with their items under it", async () => {
    const pool = await started();
    await pool.query(`CREATE EXTENSION vector; CREATE ROLE app; GRANT CREATE ON DATABASE postgres TO app;
      SET SESSION AUTHORIZATION app`);
    await using storage = postgresStorage({ pool, rls: true });
    const other = storage.tenant("other");
    for (const each of [storage, other]) {
      await each.putItem(N, "k", {}, { vectors: [[1, 0]] });
      await each.putItem(N, "stays", {}, { vectors: [[2, 0]] });
    }
    await other.putItem(N, "theirs", {}, { vectors: [[3, 0]] });
    await storage.deleteItem(N, "k");
    expect(await keysOf(storage)).toEqual(["stays"]);
    expect(await keysOf(other)).toEqual(["theirs", "stays", "k"]);
    expect((await pool.query("SELECT 1 FROM waystone.item_vectors")).rows).toEqual([]);
    for (const [tenant, n] of [
      ["default", 1],
      ["other", 3],
    ]) {
      await pool.query("SELECT set_config('waystone.tenant', $1, false)", [tenant]);
      const { rows } = await pool.query("SELECT count(*)::int AS n FROM waystone.item_vectors");
      expect(rows).toEqual([{ n }]);
    }
  });

  it("keeps vectors beside partitioned items", async () => {
    const { storage, pool, schema } = await opened({ partitions: 4 });
    const puts = Array.from({ length: 20 }, (_, i) => ({
      put: { namespace: ["n", `${i}`], key: "k", value: {}, vectors: [[i, 1]] },
    }));
    await storage.batchItems(puts);
    const { items } = await storage.searchItems(N, { similarTo, limit: 2 });
    expect(items.map(({ namespace }) => namespace[1])).toEqual(["19", "18"]);
    await storage.deleteItems(["n", "19"]);
    expect((await pool.query(`SELECT count(*)::int AS n FROM ${schema}.item_vectors`)).rows).toEqual([{ n: 19 }]);
    await storage.close();
  });

  it("refuses an index that pgvector cannot make", () => {
    expect(() => postgresVectorIndex({ dimensions: 2_001 })).toThrow("2000");
    expect(() => postgresVectorIndex({ dimensions: 3, distance: "manhattan" as never })).toThrow("distance");
    expect(postgresVectorIndex({ dimensions: 3, distance: "dot", schema: 'a"b', extensionSchema: "ext" })).toContain(
      'ON "a""b".item_vectors',
    );
  });
});
