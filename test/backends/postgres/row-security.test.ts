// Row-level security: what an application role can read and write with forged filters, who is refused, and what a call costs.
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage, postgresStorageSchema } from "../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { delayedAnswers } from "../../support/delayed-answers.js";
import { freshDatabase } from "../../support/shared-postgres.js";
import { applicationRole, grantTables } from "../../testing/postgres-guarded-factory.js";

const ACME = "acme";
const OTHER = "globex";

let url: string;
let appUrl: string;
let role: string;
let admin: pg.Pool;
let app: pg.Client;
let storage: StorageBackend;
/** Everything that holds rows of tenants: tables, partitions, views. */
let relations: string[];

beforeAll(async () => {
  url = await freshDatabase();
  admin = new pg.Pool({ connectionString: url, max: 2 });
  const schema = postgresStorageSchema({ url, rls: true, partitions: 2 });
  await schema.migrate();
  await schema.close();
  ({ role, appUrl } = await applicationRole(admin, url));
  await grantTables(admin, "waystone", role);
  storage = postgresStorage({ url: appUrl, rls: true, migrate: false });
  for (const tenant of [ACME, OTHER]) await fill(storage.tenant(tenant));
  app = new pg.Client({ connectionString: appUrl });
  await app.connect();
  const { rows } = await admin.query<{ name: string }>(`SELECT c.oid::regclass::text AS name FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
    WHERE c.relnamespace = 'waystone'::regnamespace AND c.relkind IN ('r', 'p', 'v')`);
  relations = rows.map(({ name }) => name);
});

afterAll(async () => {
  await storage.close();
  await app.end();
  await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await admin.end();
});

/** Something in every table. */
async function fill(tenant: StorageBackend): Promise<void> {
  await tenant.createSession("s", "ada", { metadata: { plan: "pro" } });
  await tenant.updateSession("s", { incrementRequests: 1, idempotencyKey: "k" });
  await tenant.addConversationMessage("s", "user", "hello");
  await tenant.storeTaskContext("s", { goal: 1 });
  await tenant.storeCheckpoint("t", "c", { big: "x".repeat(10_000) }, { sessionId: "s" });
  await tenant.putWrites("t", "c", "task", [["channel", 1]]);
  await tenant.putItem(["n"], "k", { a: 1 });
  await tenant.acquireLease({ session: "s" }, { owner: "o", ttlMs: 60_000 });
}

/** Runs a statement in a transaction of a tenant and takes it back. */
async function as(tenant: string, statement: string): Promise<pg.QueryResult> {
  await app.query("BEGIN");
  try {
    await app.query("SELECT set_config('waystone.tenant', $1, true)", [tenant]);
    return await app.query(statement);
  } finally {
    await app.query("ROLLBACK");
  }
}

describe("the application's role", () => {
  it("finds rows of its tenant alone in every table, partition and view, whatever it asks for", async () => {
    expect(relations.length).toBeGreaterThan(30);
    const everybody = await admin.query("SELECT DISTINCT tenant FROM waystone.messages_view ORDER BY 1");
    expect(everybody.rows).toEqual([{ tenant: ACME }, { tenant: OTHER }]);
    const filled = relations.filter((name) => !/_\d+$/.test(name));
    for (const name of relations) {
      const { rows } = await as(ACME, `SELECT DISTINCT tenant FROM ${name}`);
      if (filled.includes(name)) expect(rows, name).toEqual([{ tenant: ACME }]);
      else
        expect(
          rows.filter(({ tenant }) => tenant !== ACME),
          name,
        ).toEqual([]);
      expect((await as(ACME, `SELECT 1 FROM ${name} WHERE tenant = '${OTHER}'`)).rows, name).toEqual([]);
      expect((await as(ACME, `SELECT 1 FROM ${name} WHERE tenant <> '${ACME}' OR true`)).rowCount, name).toBe(
        (await as(ACME, `SELECT 1 FROM ${name}`)).rowCount,
      );
    }
  });

  it("changes and removes nothing of another tenant", async () => {
    for (const name of relations.filter((each) => !each.endsWith("_view"))) {
      expect((await as(ACME, `UPDATE ${name} SET tenant = tenant WHERE tenant = '${OTHER}'`)).rowCount, name).toBe(0);
      expect((await as(ACME, `DELETE FROM ${name} WHERE tenant = '${OTHER}'`)).rowCount, name).toBe(0);
    }
    expect((await as(ACME, "DELETE FROM waystone.sessions")).rowCount).toBe(1);
    expect(await storage.tenant(OTHER).getSession("s")).toBeDefined();
  });

  it("cannot give a row to another tenant", async () => {
    for (const name of relations.filter((each) => !each.endsWith("_view") && !/_\d+$/.test(each))) {
      await expect(as(ACME, `UPDATE ${name} SET tenant = '${OTHER}'`), name).rejects.toMatchObject({ code: "42501" });
    }
    await expect(
      as(ACME, `INSERT INTO waystone.tenants (tenant, last_lease_token) VALUES ('third', 1)`),
    ).rejects.toMatchObject({ code: "42501" });
  });

  it("gets an error when it says no tenant, and nothing on a connection that has said one before", async () => {
    const fresh = new pg.Client({ connectionString: appUrl });
    await fresh.connect();
    await expect(fresh.query("SELECT 1 FROM waystone.sessions")).rejects.toMatchObject({ code: "42704" });
    await fresh.end();
    await as(ACME, "SELECT 1");
    expect((await app.query("SELECT 1 FROM waystone.sessions")).rows).toEqual([]);
  });
});

describe("a storage", () => {
  it("says that the server keeps tenants apart", async () => {
    expect((await storage.healthCheck()).checks).toContainEqual({
      name: "tenants",
      status: "ok",
      message: "kept apart by the server: row-level security",
    });
  });

  it("follows the schema when it is not told, and refuses a schema that it is told not to have", async () => {
    await using following = postgresStorage({ url: appUrl, tenant: ACME });
    expect((await following.listSessions()).items).toHaveLength(1);
    await using refusing = postgresStorage({ url: appUrl, rls: false });
    await expect(refusing.initialize()).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });

  it("refuses a user whom policies do not bind, if it is told to rely on them; else it warns", async () => {
    await using relying = postgresStorage({ url, rls: true });
    await expect(relying.initialize()).rejects.toThrow(/does not bind this database user/);
    await using superuser = postgresStorage({ url, tenant: ACME });
    expect((await superuser.listSessions()).items).toHaveLength(1);
    const tenants = (await superuser.healthCheck()).checks.find(({ name }) => name === "tenants");
    expect(tenants).toMatchObject({ status: "warning" });
  });

  it("is bound when it owns the tables, and makes and guards them itself", async () => {
    const { role: owner, appUrl: ownUrl } = await applicationRole(admin, url);
    await admin.query(`GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${owner}`);
    await using own = postgresStorage({ url: ownUrl, schema: "owned", rls: true, tenant: ACME });
    await own.createSession("s", "ada");
    const client = new pg.Client({ connectionString: ownUrl });
    await client.connect();
    await client.query("BEGIN; SELECT set_config('waystone.tenant', 'globex', true)");
    expect((await client.query("SELECT 1 FROM owned.sessions")).rows).toEqual([]);
    await client.query("ROLLBACK");
    await client.end();
    await own.close();
    await admin.query(`DROP OWNED BY ${owner}; DROP ROLE ${owner}`);
  });

  it("keeps what it had when the policies come later; one that was open before is told to open again", async () => {
    const later = await freshDatabase();
    const root = new pg.Pool({ connectionString: later, max: 1 });
    const { role: user, appUrl: userUrl } = await applicationRole(root, later);
    await using first = postgresStorage({ url: later });
    await first.createSession("s", "ada");
    await grantTables(root, "waystone", user);
    await using before = postgresStorage({ url: userUrl, migrate: false });
    expect(await before.getSession("s")).toBeDefined();
    await using demanding = postgresStorage({ url: userUrl, rls: true, migrate: false });
    await expect(demanding.initialize()).rejects.toThrow(/row-level security.*waystone schema migrate/);
    const schema = postgresStorageSchema({ url: later, rls: true });
    expect((await schema.status()).pending).toEqual(["row-level security"]);
    expect((await schema.migrate()).pending).toEqual([]);
    await schema.close();
    await expect(before.getSession("s")).rejects.toMatchObject({ code: "CONNECTION", retryable: false });
    await demanding.initialize();
    expect(await demanding.getSession("s")).toMatchObject({ userId: "ada" });
    expect(await demanding.tenant(OTHER).getSession("s")).toBeUndefined();
    await demanding.close();
    await before.close();
    await root.query(`DROP OWNED BY ${user}; DROP ROLE ${user}`);
    await root.end();
  });

  it("says the tenant in the same round trip as the statement", async () => {
    await using proxy = await delayedAnswers(appUrl, 150);
    await using far = postgresStorage({ url: proxy.url, pool: { min: 1 }, tenant: ACME, migrate: false });
    await far.addConversationMessage("s", "user", "warm");
    await far.getSession("s");
    const plain = new pg.Client({ connectionString: proxy.url });
    await plain.connect();
    const timeOf = async (call: () => Promise<unknown>): Promise<number> => {
      let shortest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        await call();
        shortest = Math.min(shortest, performance.now() - start);
      }
      return shortest;
    };
    const roundTrip = await timeOf(() => plain.query("SELECT 1"));
    expect(await timeOf(() => far.getSession("s"))).toBeLessThan(1.7 * roundTrip);
    expect(await timeOf(() => far.addConversationMessage("s", "user", "far"))).toBeLessThan(1.7 * roundTrip);
    await plain.end();
  });
});
