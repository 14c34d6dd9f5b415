// Batches of appends: one write for many, in order, and each caller's own result.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { Message } from "../../../src/contract/conversation-storage.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type BatchOptions, batch } from "../../../src/layers/batch/batch.js";
import { intercept } from "../../../src/layers/intercept.js";
import { faultyStorage } from "../../../src/testing/faulty-storage.js";

/** A store that notes how many messages each append brings, and waits with them where a test says so. */
function notingStore(): { readonly backend: StorageBackend; readonly sizes: number[]; pause(): () => void } {
  const sizes: number[] = [];
  let gate: Promise<void> = Promise.resolve();
  const backend = intercept(memoryStorage(), async (call, next) => {
    if (call.operation === "addConversationMessages") {
      call.keepArguments();
      sizes.push((call.args[1] as unknown[]).length);
      await gate;
    }
    return next();
  });
  return {
    backend,
    sizes,
    pause: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

async function withSession(backend: StorageBackend, options?: BatchOptions) {
  const layer = batch(options);
  const storage = layer(backend);
  await storage.createSession("s", "u");
  return { layer, storage };
}

const texts = async (storage: StorageBackend): Promise<unknown[]> =>
  (await storage.getConversationHistory("s", { limit: 10_000 })).map(({ content }) => content);

describe("appends at the same moment", () => {
  it("are one write, in the order of the calls, and each caller gets his own messages", async () => {
    const { backend, sizes } = notingStore();
    const { layer, storage } = await withSession(backend);
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        i % 7 === 3
          ? storage.addConversationMessages("s", [
              { role: "user", content: `${i} a` },
              { role: "user", content: `${i} b` },
            ])
          : storage.addConversationMessage("s", "user", `${i}`),
      ),
    );
    expect(sizes).toEqual([69]);
    expect(layer.stats()).toMatchObject({
      batches: 1,
      messages: 69,
      messagesPerBatch: 69,
      waiting: 0,
      waitingBytes: 0,
    });
    const flat = results.flat() as Message[];
    expect(flat.map(({ seq }) => seq)).toEqual(Array.from({ length: 69 }, (_, i) => i + 1));
    expect(await texts(storage)).toEqual(flat.map(({ content }) => content));
  });

  it("gather behind the batch that is at the store, within the bounds of a batch", async () => {
    const { backend, sizes, pause } = notingStore();
    const { storage } = await withSession(backend, { maxMessages: 10 });
    const go = pause();
    const first = storage.addConversationMessage("s", "user", "first");
    await sleep(5);
    const others = Array.from({ length: 25 }, (_, i) => storage.addConversationMessage("s", "user", `${i}`));
    await sleep(5);
    expect(sizes).toEqual([1]);
    go();
    await Promise.all([first, ...others]);
    expect(sizes).toEqual([1, 10, 10, 5]);
    expect(await texts(storage)).toEqual(["first", ...Array.from({ length: 25 }, (_, i) => `${i}`)]);
  });

  it("wait delayMs for each other, unless the batch is full or somebody flushes", async () => {
    const { backend, sizes } = notingStore();
    const { layer, storage } = await withSession(backend, { delayMs: 20_000, maxMessages: 3, maxBytes: 2_000 });
    const full = [1, 2, 3].map((i) => storage.addConversationMessage("s", "user", `${i}`));
    await Promise.all(full);
    await storage.addConversationMessage("s", "user", "x".repeat(2_000));
    const flushed = storage.addConversationMessage("s", "user", "flushed");
    await layer.flush();
    expect((await flushed).seq).toBe(5);
    expect(sizes).toEqual([3, 1, 1]);
    const closed = storage.addConversationMessage("s", "user", "stored by close");
    await storage.close();
    expect((await closed).seq).toBe(6);
    await expect(storage.addConversationMessage("s", "user", "late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("take what the caller gave as it was when he called", async () => {
    const { storage } = await withSession(memoryStorage());
    const parts = [{ type: "text", inner: { a: 1 } }];
    const metadata = { list: [1] };
    const pending = storage.addConversationMessage("s", "user", parts, { metadata });
    parts.push({ type: "late", inner: { a: 2 } });
    (parts[0] as { inner: { a: number } }).inner.a = 2;
    metadata.list.push(2);
    await pending;
    const [stored] = await storage.getConversationHistory("s");
    expect([stored?.content, stored?.metadata]).toEqual([[{ type: "text", inner: { a: 1 } }], { list: [1] }]);
  });
});

describe("what goes wrong", () => {
  it("is told to the caller whose append it is: a wrong argument, a superseded lease, a session that is gone", async () => {
    const { storage } = await withSession(memoryStorage());
    const old = await storage.acquireLease({ session: "s" }, { owner: "a", ttlMs: 60_000 });
    const lease = await storage.acquireLease({ session: "s" }, { owner: "a", ttlMs: 60_000 });
    const outcomes = await Promise.allSettled([
      storage.addConversationMessage("s", "user", "one"),
      storage.addConversationMessage("s", "user", { no: "content" } as never),
      storage.addConversationMessage("s", "user", "two", { lease: old }),
      storage.addConversationMessage("s", "user", "three", { lease }),
      storage.addConversationMessage("absent", "user", "four"),
      storage.addConversationMessage("s", "user", "five", { timeout: 1 } as never),
      storage.addConversationMessage("s", "user", "six"),
    ]);
    expect(outcomes.map((each) => (each.status === "fulfilled" ? each.value.seq : each.reason.code))).toEqual([
      1,
      "INVALID_ARGUMENT",
      "FENCED",
      2,
      "SESSION_NOT_FOUND",
      "INVALID_ARGUMENT",
      3,
    ]);
    for (const each of outcomes) {
      if (each.status === "rejected") expect(each.reason.operation).toBe("addConversationMessage");
    }
  });

  it("in a batch that is refused as a whole is found by trying its appends one by one", async () => {
    const refused = { code: "CONFLICT", outcome: "not-applied" };
    const inner = memoryStorage();
    const sizes: number[] = [];
    const backend = intercept(inner, async (call, next) => {
      if (call.operation !== "addConversationMessages") return next();
      const messages = call.args[1] as { content: string }[];
      sizes.push(messages.length);
      if (messages.some(({ content }) => content === "bad")) {
        throw Object.assign(new Error("no"), { ...refused, retryable: false, operation: undefined, backend: "memory" });
      }
      return next();
    });
    const { storage } = await withSession(backend);
    const outcomes = await Promise.allSettled(
      ["a", "b", "bad", "c"].map((content) => storage.addConversationMessage("s", "user", content)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(sizes).toEqual([4, 1, 1, 1, 1]);
    expect(await texts(storage)).toEqual(["a", "b", "c"]);
  });

  it("is unknown to all whose answer is lost, and each has an error of his own", async () => {
    const { storage: faulty } = faultyStorage(memoryStorage(), (call) =>
      call.operation === "addConversationMessages" ? { at: "after" } : undefined,
    );
    const { storage } = await withSession(faulty);
    const outcomes = await Promise.allSettled([1, 2].map((i) => storage.addConversationMessage("s", "user", `${i}`)));
    const errors = outcomes.map((each) => (each.status === "rejected" ? each.reason : undefined));
    expect(errors).toEqual([
      expect.objectContaining({ code: "CONNECTION", outcome: "unknown" }),
      expect.objectContaining({ code: "CONNECTION", outcome: "unknown" }),
    ]);
    expect(errors[0]).not.toBe(errors[1]);
    expect(errors[0]).toBeInstanceOf(Error);
    expect(await texts(storage)).toEqual(["1", "2"]);
  });

  it("ends an append that waits too long, or is given up: not applied before it was sent, unknown afterwards", async () => {
    const { backend, sizes, pause } = notingStore();
    const { layer, storage } = await withSession(backend);
    const go = pause();
    const abort = new AbortController();
    const early = storage.addConversationMessage("s", "user", "early", { signal: AbortSignal.abort("no") });
    await expect(early).rejects.toMatchObject({ code: "ABORTED", outcome: "not-applied" });
    // Each is waited for from here on: its end may come before the one that is looked at.
    const given = (timeoutMs: number, content: string): Promise<unknown> =>
      Promise.allSettled([storage.addConversationMessage("s", "user", content, { timeoutMs })]);
    const sent = given(60, "sent");
    await sleep(5);
    const waiting = given(30, "waiting");
    const aborted = storage.addConversationMessage("s", "user", "aborted", { signal: abort.signal });
    const stays = storage.addConversationMessage("s", "user", "stays");
    abort.abort("enough");
    await expect(aborted).rejects.toMatchObject({ code: "ABORTED", outcome: "not-applied" });
    expect(await waiting).toMatchObject([{ reason: { code: "TIMEOUT", outcome: "not-applied" } }]);
    expect(await sent).toMatchObject([{ reason: { code: "TIMEOUT", outcome: "unknown" } }]);
    expect(layer.stats().waiting).toBe(1);
    go();
    await stays;
    expect(sizes).toEqual([1, 1]);
    expect(await texts(storage)).toEqual(["sent", "stays"]);
  });

  it("is refused when as much waits as may, and there is room again afterwards", async () => {
    const { backend, pause } = notingStore();
    const { storage } = await withSession(backend, { maxWaiting: 3 });
    const go = pause();
    const accepted = [1, 2, 3].map((i) => storage.addConversationMessage("s", "user", `${i}`));
    await expect(storage.addConversationMessage("s", "user", "4")).rejects.toMatchObject({
      code: "CONNECTION",
      reason: "queue-full",
      outcome: "not-applied",
    });
    go();
    await Promise.all(accepted);
    expect((await storage.addConversationMessage("s", "user", "5")).seq).toBe(4);
  });

  it("is no reason to keep what is over: nothing is held of sessions that are idle", async () => {
    const { storage, layer } = await withSession(memoryStorage());
    for (let i = 0; i < 50; i++) {
      await storage.createSession(`s${i}`, "u");
      await storage.addConversationMessage(`s${i}`, "user", "x");
    }
    expect(layer.stats()).toMatchObject({ waiting: 0, waitingBytes: 0, batches: 50 });
  });
});
