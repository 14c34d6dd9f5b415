// Plans over partitions: the end of a long conversation or thread is read from its end, also where the server expects it to be short.
import pg from "pg";
import { expect, it } from "vitest";
import { postgresStorage, postgresStorageSchema } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";
import { applicationRole, grantTables } from "../../testing/postgres-guarded-factory.js";

const READS = 30;
const MESSAGES = 5_000;
const CHECKPOINTS = 600;

it.each([{ rls: false }, { rls: true }])(
  "read the newest messages and checkpoints, and no others, whatever the server expects: $rls",
  {
    timeout: 120_000,
  },
  async ({ rls }) => {
    const url = await freshDatabase();
    const steps = postgresStorageSchema({ url, rls, partitions: 3 });
    await steps.migrate();
    await steps.close();
    const admin = new pg.Pool({ connectionString: url });
    const { role, appUrl } = await applicationRole(admin, url);
    await grantTables(admin, "waystone", role);
    const options = { url: appUrl, rls, migrate: false, pool: { max: 1 } };
    const storage = postgresStorage(options);
    await storage.createSession("long", "ada");
    for (let from = 0; from < MESSAGES; from += 1_000) {
      await storage.addConversationMessages(
        "long",
        Array.from({ length: 1_000 }, (_, i) => ({ role: "user", content: `${from + i}` })),
      );
    }
    for (let i = 0; i < CHECKPOINTS; i++) await storage.storeCheckpoint("long", `c${i}`, i);
    // As after a vacuum while partitions were empty: the server expects next to nothing in them, whatever it takes to sort that.
    await admin.query(
      `UPDATE pg_class SET reltuples = 0, relpages = CASE WHEN pg_relation_size(oid) = 0 THEN 0 ELSE 1000 END
     WHERE relnamespace = 'waystone'::regnamespace AND relname ~ '^(messages|checkpoints)_\\d'`,
    );
    const read = async (table: string): Promise<number> => {
      await admin.query("SELECT pg_stat_clear_snapshot()");
      const { rows } = await admin.query<{ read: number }>(
        `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read
       FROM pg_stat_user_tables WHERE schemaname = 'waystone' AND relname LIKE '${table}\\_%'`,
      );
      return rows[0]?.read ?? 0;
    };
    // The server tells what was read when a connection has had nothing to do for a while, or is closed.
    await storage.close();
    const reader = postgresStorage(options);
    const before = { messages: await read("messages"), checkpoints: await read("checkpoints") };
    for (let i = 0; i < READS; i++) {
      const next = { expectedHead: `c${CHECKPOINTS - 1 + i}` };
      await reader.storeCheckpoint("long", `c${CHECKPOINTS + i}`, CHECKPOINTS + i, next);
      expect(await reader.getConversationHistory("long", { limit: 50 })).toHaveLength(50);
      expect(await reader.getConversationHistory("long", { limit: 50, before: MESSAGES - 10 })).toHaveLength(50);
      expect((await reader.getCheckpoint("long"))?.data).toBe(CHECKPOINTS + i);
      expect(await reader.listCheckpoints("long", { limit: 5 })).toHaveLength(5);
    }
    let exported = 0;
    for await (const _ of reader.exportRecords({ sessionId: "long" })) exported++;
    expect(exported).toBe(1 + MESSAGES);
    await reader.close();
    for (let i = 0; i < 100 && (await read("messages")) === before.messages; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await read("messages")) - before.messages).toBeLessThan(READS * 2 * 60 + 2 * MESSAGES);
    expect((await read("checkpoints")) - before.checkpoints).toBeLessThan(READS * 30);
    await admin.end();
  },
);
