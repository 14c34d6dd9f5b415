// Calls that go to the server together: each has its own result or error, and none waits or fails for the sake of another.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type PostgresServer, startPostgres } from "../../support/postgres-server.js";

let server: PostgresServer;
let storage: StorageBackend;
/** As another process has it. */
let there: StorageBackend;
let admin: pg.Pool;

beforeAll(async () => {
  server = await startPostgres({ inMemory: true });
  storage = postgresStorage({ url: server.url, pool: { max: 4 } });
  there = postgresStorage({ url: server.url, pool: { max: 2 } });
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
  await storage.initialize();
});

afterAll(async () => {
  await storage.close();
  await there.close();
  await admin.end();
  await server[Symbol.asyncDispose]();
});

async function newSessions(name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  await storage.batchCreateSessions(ids.map((sessionId) => ({ sessionId, userId: "ada" })));
  return ids;
}

/** How many transactions have written the rows of some sessions or threads as they are. */
async function transactions(
  table: "messages" | "sessions" | "checkpoints" | "checkpoint_blocks",
  name: string,
): Promise<number> {
  const id = table.startsWith("checkpoint") ? "thread_id" : "session_id";
  const text = `SELECT count(DISTINCT xmin::text)::int AS count FROM waystone.${table} WHERE ${id} LIKE $1`;
  const { rows } = await admin.query<{ count: number }>(text, [`${name}-%`]);
  return rows[0]?.count ?? 0;
}

const code = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

describe("appends at the same moment", () => {
  it("are few transactions, and each session has its own in the order in which they were called", async () => {
    const sessions = await newSessions("order", 20);
    const messages = await Promise.all(
      Array.from({ length: 400 }, (_, i) =>
        storage.addConversationMessage(sessions[i % 20] as string, "user", `${Math.floor(i / 20)}`),
      ),
    );
    expect(await transactions("messages", "order")).toBeLessThan(20);
    for (const [i, { seq, sessionId, content }] of messages.entries()) {
      expect({ seq, sessionId, content }).toEqual({
        seq: Math.floor(i / 20) + 1,
        sessionId: sessions[i % 20],
        content: `${Math.floor(i / 20)}`,
      });
    }
    for (const sessionId of sessions) {
      const history = await storage.getConversationHistory(sessionId);
      expect(history.map(({ seq, content }) => `${seq} ${content}`)).toEqual(
        Array.from({ length: 20 }, (_, i) => `${i + 1} ${i}`),
      );
      expect((await storage.getSession(sessionId))?.messageCount).toBe(20);
    }
  });

  it("have a result or an error each: an absent session, an id that is there, several messages", async () => {
    const [one, two, three] = (await newSessions("each", 3)) as [string, string, string];
    const there = await storage.addConversationMessage(two, "user", "first", { messageId: "m" });
    const results = await Promise.allSettled([
      storage.addConversationMessage(one, "user", "a"),
      storage.addConversationMessage("each-absent", "user", "b"),
      storage.addConversationMessage(two, "user", "other", { messageId: "m" }),
      storage.addConversationMessage(two, "user", "c"),
      storage.addConversationMessages(three, [
        { role: "user", content: "d" },
        { role: "user", content: "e", messageId: "e" },
      ]),
      storage.addConversationMessages(three, []),
      storage.addConversationMessage(three, "user", "again", { messageId: "e" }),
      storage.tenant("other").addConversationMessage(one, "user", "f"),
    ]);
    const values = results.map((result) => (result.status === "fulfilled" ? result.value : code(result.reason)));
    expect(values[0]).toMatchObject({ seq: 1, content: "a" });
    expect(values[1]).toBe("SESSION_NOT_FOUND");
    expect(values[2]).toEqual(there);
    expect(values[3]).toMatchObject({ seq: 2, content: "c" });
    expect(values[4]).toMatchObject([
      { seq: 1, content: "d" },
      { seq: 2, content: "e", messageId: "e" },
    ]);
    expect(values[5]).toEqual([]);
    expect(values[6]).toMatchObject({ seq: 2, content: "e" });
    expect(values[7]).toBe("SESSION_NOT_FOUND");
    expect((await storage.getConversationHistory(two)).map(({ content }) => content)).toEqual(["first", "c"]);
    expect((await storage.getConversationHistory(three)).map(({ content }) => content)).toEqual(["d", "e"]);
  });

  it("do not fail with one that the server refuses", async () => {
    await admin.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.role = 'poison' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON waystone.messages FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const sessions = await newSessions("poison", 10);
    const results = await Promise.allSettled(
      sessions.map((sessionId, i) => storage.addConversationMessage(sessionId, i === 4 ? "poison" : "user", `${i}`)),
    );
    expect(results.map(({ status }) => status)).toEqual(sessions.map((_, i) => (i === 4 ? "rejected" : "fulfilled")));
    const counts = await Promise.all(sessions.map((id) => storage.getConversationHistory(id)));
    expect(counts.map(({ length }) => length)).toEqual(sessions.map((_, i) => (i === 4 ? 0 : 1)));
    await admin.query("DROP FUNCTION refuse CASCADE");
  });
});

describe("checkpoints at the same moment", () => {
  const threadsOf = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name}-${i}`);

  async function newThreads(name: string, count: number): Promise<string[]> {
    const threads = threadsOf(name, count);
    await Promise.all(threads.map((thread) => storage.storeCheckpoint(thread, "first", { step: 0 })));
    return threads;
  }

  /** A state of many blocks, which differs from the one before in the last. */
  const longState = (thread: string, step: number): unknown => ({
    messages: Array.from({ length: 60 + step }, (_, i) => ({
      id: `${thread} ${i}`,
      text: `${thread} ${i} `.repeat(20),
    })),
  });

  it("are few transactions, one after the other for one thread, each with what was stored", async () => {
    const threads = await newThreads("together", 40);
    const stored = await Promise.all(
      threads.map((thread, i) =>
        storage.storeCheckpoint(
          thread,
          `c${i}`,
          { step: i },
          { parentId: "first", metadata: { i }, namespace: i % 2 ? "sub" : "" },
        ),
      ),
    );
    await admin.query("DELETE FROM waystone.checkpoints WHERE thread_id LIKE 'together-%' AND checkpoint_id = 'first'");
    expect(await transactions("checkpoints", "together")).toBeLessThan(5);
    for (const [i, thread] of threads.entries()) {
      const namespace = i % 2 ? "sub" : "";
      expect(stored[i]).toMatchObject({
        threadId: thread,
        checkpointId: `c${i}`,
        namespace,
        seq: 2,
        parentId: "first",
        metadata: { i },
      });
      const { data, ...info } = (await storage.getCheckpoint(thread, { namespace })) ?? {};
      expect(info).toEqual(stored[i]);
      expect(data).toEqual({ step: i });
    }
    const [one] = threads as [string];
    const many = await Promise.all(Array.from({ length: 30 }, (_, i) => storage.storeCheckpoint(one, `m${i}`, { i })));
    expect(many.map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, i) => i + 3));
    const { items } = await storage.listThreads({ limit: 1_000 });
    expect(items.find(({ threadId }) => threadId === one)?.checkpointCount).toBe(32);
  });

  it("have a result or an error each: an absent thread, an id that is there, a session, an expected head", async () => {
    const threads = (await newThreads("mixed", 6)) as [string, string, string, string, string, string];
    await storage.createSession("mixed-session", "ada");
    await storage.storeCheckpoint(threads[2], "linked", {}, { sessionId: "mixed-session" });
    const results = await Promise.allSettled([
      storage.storeCheckpoint(threads[0], "a", { is: "a" }),
      storage.storeCheckpoint("mixed-absent", "b", { is: "b" }),
      storage.storeCheckpoint(threads[1], "first", { is: "again" }),
      there.storeCheckpoint(threads[2], "c", { is: "c" }),
      storage.storeCheckpoint(threads[3], "d", { is: "d" }, { sessionId: "mixed-nobody" }),
      storage.storeCheckpoint(threads[4], "e", { is: "e" }, { expectedHead: "other" }),
      storage.storeCheckpoint(threads[5], "f", { is: "f" }, { expectedHead: "first" }),
      storage.storeCheckpoint(threads[0], "a", { is: "a, later" }),
      storage.tenant("other").storeCheckpoint(threads[0], "a", { is: "of another" }),
    ]);
    const values = results.map((result) => (result.status === "fulfilled" ? result.value.seq : code(result.reason)));
    expect(values).toEqual([2, 1, 1, 3, "SESSION_NOT_FOUND", "CONFLICT", 2, 2, 1]);
    const read = async (thread: string): Promise<unknown> => (await storage.getCheckpoint(thread))?.data;
    expect(await Promise.all([...threads, "mixed-absent"].map(read))).toEqual([
      { is: "a, later" },
      { is: "again" },
      { is: "c" },
      { step: 0 },
      { step: 0 },
      { is: "f" },
      { is: "b" },
    ]);
  });

  it("bring the blocks of their states, and those that another process has removed since", async () => {
    const threads = await newThreads("blocks", 12);
    const store = (step: number): Promise<unknown> =>
      Promise.all(threads.map((thread) => storage.storeCheckpoint(thread, `c${step}`, longState(thread, step))));
    for (const step of [1, 2]) await store(step);
    expect(await transactions("checkpoint_blocks", "blocks")).toBeLessThan(12);
    for (const thread of threads.slice(0, 4)) {
      await there.deleteThread(thread);
      await there.storeCheckpoint(thread, "other", {});
    }
    await store(3);
    for (const thread of threads) {
      expect((await there.getCheckpoint(thread))?.data).toEqual(longState(thread, 3));
    }
  });

  it("do not fail with one that the server refuses", async () => {
    const threads = await newThreads("refused", 10);
    await admin.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.checkpoint_id = 'poison' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON waystone.checkpoints FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const results = await Promise.allSettled(
      threads.map((thread, i) => storage.storeCheckpoint(thread, i === 4 ? "poison" : "fine", { i })),
    );
    await admin.query("DROP FUNCTION refuse CASCADE");
    expect(results.map(({ status }) => status)).toEqual(threads.map((_, i) => (i === 4 ? "rejected" : "fulfilled")));
    const heads = await Promise.all(threads.map((thread) => storage.getCheckpoint(thread)));
    expect(heads.map((head) => head?.checkpointId)).toEqual(threads.map((_, i) => (i === 4 ? "first" : "fine")));
  });
});

describe("writes at the same moment", () => {
  const WRITES = {
    append: (id: string) => storage.addConversationMessage(id, "user", "x", { timeoutMs: 2_000 }),
    update: (id: string) => storage.updateSession(id, { incrementRequests: true }, { timeoutMs: 2_000 }),
    store: (id: string) => storage.storeCheckpoint(id, randomUUID(), {}, { timeoutMs: 2_000 }),
  };

  it.each(["append", "update", "store"] as const)(
    "do not wait for a session that somebody has locked: %s",
    async (write) => {
      const sessions = await newSessions(`locked-${write}`, 12);
      await Promise.all(sessions.map((id) => storage.storeCheckpoint(id, "first", {})));
      const blocker = await admin.connect();
      const [table, id] = write === "store" ? ["threads", "thread_id"] : ["sessions", "session_id"];
      await blocker.query(`BEGIN; SELECT 1 FROM waystone.${table}
      WHERE ${id} IN ('locked-${write}-0', 'locked-${write}-1', 'locked-${write}-7') FOR UPDATE`);
      let givenUp = 0;
      const outcomes = await Promise.all(
        sessions.map(async (id) => {
          const outcome = await WRITES[write](id).then(
            () => "done",
            (error: unknown) => `${code(error)} ${(error as { outcome?: unknown }).outcome}`,
          );
          if (outcome !== "done") givenUp += 1;
          return { outcome, quick: givenUp === 0 };
        }),
      );
      await blocker.query("ROLLBACK");
      blocker.release();
      // Whether a statement that waits for a lock was carried out is not known when it is given up.
      const locked = outcomes.filter((_, i) => [0, 1, 7].includes(i));
      expect(locked.map(({ outcome }) => outcome.split(" ")[0])).toEqual(["TIMEOUT", "TIMEOUT", "TIMEOUT"]);
      expect(outcomes.filter((_, i) => ![0, 1, 7].includes(i))).toEqual(
        Array.from({ length: 9 }, () => ({ outcome: "done", quick: true })),
      );
      // The sessions themselves are as before, and can be written to.
      await WRITES[write](sessions[0] as string);
    },
  );
});

describe("updates at the same moment", () => {
  it("are few transactions, one after the other for one session, each with what it asked for", async () => {
    const sessions = await newSessions("updates", 30);
    const updated = await Promise.all(
      sessions.map((id, i) =>
        storage.updateSession(id, {
          incrementRequests: true,
          addProcessingTime: i / 8,
          markError: i % 2 === 0,
          ...(i % 3 === 0 ? { metadata: { i, gone: true } } : {}),
          ...(i % 5 === 0 ? { status: "failed" as const } : {}),
        }),
      ),
    );
    expect(await transactions("sessions", "updates")).toBeLessThan(5);
    const again = await Promise.all(
      sessions.map((id, i) =>
        storage
          .updateSession(id, {
            expectedVersion: i % 4 === 0 ? 7 : 2,
            unsetMetadata: ["gone"],
            metadata: { later: `${i}` },
          })
          .catch(code),
      ),
    );
    for (const [i, session] of updated.entries()) {
      expect(session).toMatchObject({
        sessionId: sessions[i],
        version: 2,
        requestCount: 1,
        totalProcessingTime: i / 8,
        errorCount: i % 2 === 0 ? 1 : 0,
        metadata: i % 3 === 0 ? { i, gone: true } : {},
        status: i % 5 === 0 ? "failed" : "active",
      });
      if (i % 4 === 0) expect(again[i]).toBe("CONFLICT");
      else {
        expect(again[i]).toMatchObject({
          version: 3,
          metadata: i % 3 === 0 ? { i, later: `${i}` } : { later: `${i}` },
        });
      }
    }
    const all = await Promise.all(
      Array.from({ length: 50 }, () => storage.updateSession("updates-1", { incrementRequests: true })),
    );
    expect(all.map(({ requestCount }) => requestCount)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
  });
});
