// What a pooler in transaction mode makes hard: tenants on shared connections, prepared statements, calls that are given up.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage, postgresStorageSchema } from "../../../src/backends/postgres/index.js";
import { type PgBouncer, startPgBouncer } from "../../support/pgbouncer.js";
import { freshDatabase, sharedPostgres } from "../../support/shared-postgres.js";
import { applicationRole, grantTables } from "../../testing/postgres-guarded-factory.js";

/** Connections to the server, fewer than callers. */
const POOL_SIZE = 3;

let url: string;
let admin: pg.Pool;
let bouncer: PgBouncer;
let role: string;
let appUrl: string;

beforeAll(async () => {
  url = await freshDatabase();
  admin = new pg.Pool({ connectionString: url, max: 2 });
  ({ role, appUrl } = await applicationRole(admin, url));
  const schema = postgresStorageSchema({ url, rls: true });
  await schema.migrate();
  await schema.close();
  await grantTables(admin, "waystone", role);
  bouncer = await startPgBouncer(await sharedPostgres(), POOL_SIZE, [role]);
});

afterAll(async () => {
  await bouncer[Symbol.asyncDispose]();
  await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await admin.end();
});

describe("through PgBouncer in transaction mode", () => {
  it("many tenants share a few connections, and each sees its own", async () => {
    const storage = postgresStorage({
      url: bouncer.urlOf(appUrl),
      rls: true,
      preparedStatements: false,
      pool: { max: 12 },
    });
    const tenants = Array.from({ length: 12 }, (_, i) => storage.tenant(`tenant ${i}`));
    await Promise.all(
      tenants.map(async (tenant, i) => {
        await tenant.createSession("s", `user ${i}`);
        for (let n = 0; n < 10; n++) {
          await tenant.addConversationMessage("s", "user", `${i}/${n}`);
          expect((await tenant.getSession("s"))?.userId).toBe(`user ${i}`);
        }
        await tenant.storeCheckpoint("t", "c", { i });
      }),
    );
    for (const [i, tenant] of tenants.entries()) {
      const contents = (await tenant.getConversationHistory("s")).map(({ content }) => content);
      expect(contents).toEqual(Array.from({ length: 10 }, (_, n) => `${i}/${n}`));
      expect((await tenant.getCheckpoint("t"))?.data).toEqual({ i });
    }
    const { rows } = await admin.query("SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = $1", [
      role,
    ]);
    expect(rows[0].count).toBeLessThanOrEqual(POOL_SIZE);
    expect((await storage.healthCheck()).status).toBe("healthy");
    await storage.close();
  });

  it("prepared statements that the pooler does not keep are told as that", async () => {
    const options = { url: bouncer.urlOf(url), tenant: "tenant 0", migrate: false };
    await using one = postgresStorage(options);
    await using other = postgresStorage(options);
    const failures: unknown[] = [];
    for (const storage of [one, other, one, other]) {
      await storage.getSession("s").catch((error: unknown) => failures.push(error));
    }
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: false });
      expect((failure as Error).message).toContain("preparedStatements: false");
    }
    // A later one may keep them.
    const [major, minor] = bouncer.version;
    if (major === 1 && minor < 21) expect(failures.length).toBeGreaterThan(0);
  });

  it("a call that is given up stops on the server", async () => {
    await using storage = postgresStorage({ url: bouncer.urlOf(url), tenant: "tenant 0", preparedStatements: false });
    await storage.getSession("s");
    const blocker = await admin.connect();
    await blocker.query("BEGIN; SELECT 1 FROM waystone.sessions FOR UPDATE");
    const failure = await storage
      .updateSession("s", { incrementRequests: 1 }, { timeoutMs: 200 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "TIMEOUT" });
    const running = async (): Promise<number> =>
      (
        await blocker.query(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      ).rows[0].count;
    for (let i = 0; i < 100 && (await running()) > 0; i++) await sleep(20);
    expect(await running()).toBe(0);
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await storage.getSession("s"))?.requestCount).toBe(0);
  });
});
