// What becomes of calls when connections break, servers stop, locks are held and callers give up.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { CallOptions } from "../../../src/contract/call.js";
import { isStorageError } from "../../../src/contract/errors.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import { delayedAnswers } from "../../support/delayed-answers.js";
import { type PostgresServer, startPostgres } from "../../support/postgres-server.js";

let server: PostgresServer;
let storage: StorageBackend;
let admin: pg.Pool;

beforeAll(async () => {
  server = await startPostgres({ inMemory: true, settings: { max_connections: 30 } });
  storage = postgresStorage({ url: server.url, pool: { max: 5 } });
  admin = new pg.Pool({ connectionString: server.url, max: 3 });
  admin.on("error", () => undefined);
  await storage.createSession("s", "ada");
});

afterAll(async () => {
  await storage.close();
  await admin.end();
  await server[Symbol.asyncDispose]();
});

/** Statements of the storage that the server is carrying out. */
async function running(): Promise<string[]> {
  const { rows } = await admin.query<{ query: string }>(
    "SELECT query FROM pg_stat_activity WHERE application_name = 'waystone' AND state <> 'idle'",
  );
  return rows.map(({ query }) => query);
}

/** How often the server stops or crashes under load. */
const ROUNDS = process.env.WAYSTONE_TEST_SCALE === "full" ? 50 : 4;

/** Callers append to one session while something happens; what they were told is then compared with what is stored. */
async function writeWhile(sessionId: string, happening: () => Promise<void>): Promise<number> {
  await storage.createSession(sessionId, "ada");
  const acknowledged = new Set<string>();
  const unknown = new Set<string>();
  let ending = false;
  const writer = async (name: number): Promise<void> => {
    for (let i = 0; !ending; i++) {
      const messageId = `${name}-${i}`;
      try {
        await storage.addConversationMessage(sessionId, "user", messageId, { messageId });
        acknowledged.add(messageId);
      } catch (error) {
        expect(isStorageError(error) ? error.code : error).toBe("CONNECTION");
        if (isStorageError(error) && error.outcome === "unknown") unknown.add(messageId);
        await sleep(5);
      }
    }
  };
  const writers = Array.from({ length: 8 }, (_, name) => writer(name));
  await happening();
  ending = true;
  await Promise.all(writers);
  const stored: string[] = [];
  for (let after = 0; ; ) {
    const page = await storage.getConversationHistory(sessionId, { after, limit: 10_000 });
    for (const { seq, messageId } of page) {
      expect(seq).toBe(after + 1);
      after = seq;
      stored.push(messageId);
    }
    if (page.length < 10_000) break;
  }
  const there = new Set(stored);
  expect(there.size).toBe(stored.length);
  expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
  expect(stored.filter((id) => !acknowledged.has(id) && !unknown.has(id))).toEqual([]);
  return acknowledged.size;
}

describe("a call that is given up", () => {
  it.each(["deadline", "signal"] as const)("by its %s ends on the server too, and was not applied", async (how) => {
    const blocker = await admin.connect();
    await blocker.query("BEGIN; SELECT 1 FROM waystone.sessions WHERE session_id = 's' FOR UPDATE");
    const controller = new AbortController();
    const options = how === "deadline" ? { timeoutMs: 200 } : { signal: controller.signal };
    const call = storage.endSession("s", "completed", options).catch((error: unknown) => error);
    if (how === "signal") setTimeout(() => controller.abort(), 200);
    expect(await settlesWithin(1_500, [call])).toBe(true);
    expect(await call).toMatchObject({ code: how === "deadline" ? "TIMEOUT" : "ABORTED", outcome: "not-applied" });
    for (let i = 0; i < 500 && (await running()).length > 0; i++) await sleep(20);
    expect(await running()).toEqual([]);
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await storage.getSession("s"))?.status).toBe("active");
  });
});

describe("an export from a server whose answers are late", () => {
  const far = async () => {
    const proxy = await delayedAnswers(server.url, 150);
    return { proxy, storage: postgresStorage({ url: proxy.url }) };
  };

  it("that is given up says so, also when its connection is closed in the middle of its end", async () => {
    const { proxy, storage: exported } = await far();
    const controller = new AbortController();
    const reading = async (): Promise<void> => {
      for await (const _record of exported.exportRecords({ signal: controller.signal })) controller.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: "ABORTED" });
    expect(await exported.getSession("s")).not.toBeNull();
    await exported.close();
    await proxy[Symbol.asyncDispose]();
  });

  it("that is left early ends without an error, also when its connection breaks in the middle of its end", async () => {
    const { proxy, storage: exported } = await far();
    for await (const _record of exported.exportRecords()) {
      setTimeout(() => proxy[Symbol.asyncDispose](), 50);
      break;
    }
    await exported.close();
  });
});

describe("a single statement that is given up", () => {
  it.each([
    ["writes", (options: CallOptions) => storage.updateSession("s", { incrementRequests: 1 }, options)],
    ["reads", (options: CallOptions) => storage.listSessions(options)],
    ["searches", (options: CallOptions) => storage.searchItems(["n"], options)],
  ])("%s no longer on the server, and the storage goes on", async (_, call) => {
    const before = await storage.getSession("s");
    const blocker = await admin.connect();
    await blocker.query("BEGIN; LOCK TABLE waystone.sessions, waystone.items IN ACCESS EXCLUSIVE MODE");
    const failure = call({ timeoutMs: 1_000 }).catch((error: unknown) => error);
    let isGiven = false;
    void failure.then(() => {
      isGiven = true;
    });
    let seen = await running();
    while (seen.length === 0 && !isGiven) {
      await sleep(2);
      seen = await running();
    }
    expect(seen).toHaveLength(1);
    expect(await failure).toMatchObject({ code: "TIMEOUT" });
    for (let i = 0; i < 500 && (await running()).length > 0; i++) await sleep(20);
    expect(await running()).toEqual([]);
    await blocker.query("ROLLBACK");
    blocker.release();
    expect(await storage.getSession("s")).toEqual(before);
  });
});

describe("a pool", () => {
  it("tells its use in the health check, and says when it was full for too long", async () => {
    await using small = postgresStorage({
      url: server.url,
      pool: { min: 1, max: 2, connectTimeoutMs: 2_000, maxLifetimeMs: 60_000 },
    });
    await small.initialize();
    const use = async (): Promise<string | undefined> =>
      (await small.healthCheck()).checks.find(({ name }) => name === "pool")?.message;
    expect(await use()).toMatch(/^[12] connections of at most 2, \d of them idle, 0 calls waiting$/);
    const blocker = await admin.connect();
    await blocker.query("BEGIN; LOCK TABLE waystone.sessions IN ACCESS EXCLUSIVE MODE");
    const waiting = Promise.allSettled([small.getSession("s"), small.getSession("s")]);
    await sleep(50);
    const failure = await small.getSession("s").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true });
    expect((failure as Error).message).toBe("all connections of the pool were in use for too long");
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await waiting).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
  });
});

describe("a write that is refused", () => {
  it("leaves the session's time as it was, although it was sent as one statement first", async () => {
    await storage.createSession("still", "ada");
    await storage.storeCheckpoint("still", "one", 1, { sessionId: "still" });
    const before = await storage.getSession("still");
    await sleep(5);
    await expect(
      storage.storeCheckpoint("still", "two", 2, { sessionId: "still", expectedHead: "other" }),
    ).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await storage.getSession("still")).toEqual(before);
    await storage.storeCheckpoint("still", "two", 2, { expectedHead: "one" });
    expect((await storage.getSession("still"))?.updatedAt.getTime()).toBeGreaterThan(before?.updatedAt.getTime() ?? 0);
  });

  it("that waits for a lock when it is given up was not applied, also after a first statement without effect", async () => {
    const blocker = await admin.connect();
    await storage.createSession("held", "ada");
    await storage.addConversationMessage("held", "user", "first", { messageId: "m" });
    await blocker.query("BEGIN; SELECT 1 FROM waystone.sessions WHERE session_id = 'held' FOR UPDATE");
    const failure = await storage
      .addConversationMessage("held", "user", "first", { messageId: "m", timeoutMs: 300 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "TIMEOUT", outcome: "not-applied" });
    await blocker.query("ROLLBACK");
    blocker.release();
  });
});

describe("a connection that breaks", () => {
  it("while nobody uses it is left out of the pool, and the process goes on", async () => {
    await Promise.all(Array.from({ length: 5 }, () => storage.getSession("s")));
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waystone'");
    const connected = async (): Promise<number> =>
      (await admin.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'waystone'")).rows.length;
    for (let i = 0; i < 500 && (await connected()) > 0; i++) await sleep(20);
    await sleep(100);
    expect((await storage.getSession("s"))?.userId).toBe("ada");
  });

  it("under load costs calls an error that says what is known, and loses nothing that was acknowledged", async () => {
    const acknowledged = await writeWhile("load", async () => {
      for (let round = 0; round < 10; round++) {
        await sleep(60);
        await admin.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waystone' ORDER BY random() LIMIT 2",
        );
      }
    });
    expect(acknowledged).toBeGreaterThan(10);
  });

  it("because the server crashes again and again loses nothing that was acknowledged", {
    timeout: 240_000,
  }, async () => {
    const acknowledged = await writeWhile("crashes", async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(200);
        await server.stop(round % 2 === 0 ? "immediate" : "fast");
        await server.start();
      }
      await sleep(200);
    });
    expect(acknowledged).toBeGreaterThan(10);
  });

  it.each(["fast", "immediate"] as const)(
    "with the server's %s stop is told, and the storage goes on after it",
    async (mode) => {
      await storage.getSession("s");
      await server.stop(mode);
      const failure = await storage
        .addConversationMessage("s", "user", "lost", { timeoutMs: 2_000 })
        .catch((e: unknown) => e);
      expect(failure).toMatchObject({ code: "CONNECTION" });
      expect((await storage.healthCheck()).status).toBe("unhealthy");
      await server.start();
      expect((await storage.addConversationMessage("s", "user", "kept")).content).toBe("kept");
    },
  );
});

describe("more callers than the server takes", () => {
  it("get an error that may be tried again, and the others their answer", async () => {
    const many = Array.from({ length: 8 }, () =>
      postgresStorage({ url: server.url, pool: { max: 6 }, migrate: false }),
    );
    const calls = many.flatMap((each) => Array.from({ length: 6 }, () => each.getSession("s")));
    const results = await Promise.allSettled(calls);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "CONNECTION", retryable: true });
      else expect(result.value?.userId).toBe("ada");
    }
    await Promise.all(many.map((each) => each.close()));
    expect((await storage.getSession("s"))?.userId).toBe("ada");
  });
});

describe("writers that lock in other orders", () => {
  it("all finish: what the server takes back is done again", async () => {
    for (const id of ["a", "b"]) await storage.createSession(id, "ada");
    const share = (from: string, to: string) => storage.shareTaskContext(from, to);
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => [
        share(i % 2 === 0 ? "a" : "b", i % 2 === 0 ? "b" : "a"),
        storage.storeCheckpoint(`t${i % 3}`, `c${i}`, { i }, { sessionId: i % 2 === 0 ? "a" : "b" }),
        storage.storeTaskContext("a", { i }),
      ]).flat(),
    );
    expect((await storage.getTaskContext("b"))?.version).toBe((await storage.getTaskContext("a"))?.version);
  });
});
