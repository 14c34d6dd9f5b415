// Appends and counts that are acknowledged before they are stored: in order, once, and with a journal also after the process is killed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { Message } from "../../../src/contract/conversation-storage.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import {
  type BufferedFailure,
  type BufferedMessage,
  bufferedWriter,
} from "../../../src/layers/batch/buffered-writer.js";
import { faultyStorage, seededFaults } from "../../../src/testing/faulty-storage.js";

function journalPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "waystone-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "appends.journal");
}

async function sessions(...ids: string[]): Promise<StorageBackend> {
  const storage = memoryStorage();
  for (const id of ids) await storage.createSession(id, "u");
  return storage;
}

const historyOf = async (storage: StorageBackend, id: string): Promise<Message[]> =>
  storage.getConversationHistory(id, { limit: 10_000 });

describe("a buffered writer", () => {
  it("says by its result that nothing is stored yet, and stores it in order", async () => {
    const storage = await sessions("a", "b");
    const writer = bufferedWriter(storage, { maxMessages: 7 });
    const taken: BufferedMessage[] = [];
    for (let i = 0; i < 40; i++) {
      taken.push(await writer.append(i % 2 === 0 ? "a" : "b", "user", [{ type: "n", i }], { metadata: { i } }));
    }
    expectTypeOf<BufferedMessage>().not.toExtend<Message>();
    expect(taken[0]).toMatchObject({ buffered: true, durability: "memory", sessionId: "a" });
    expect(taken[0]).not.toHaveProperty("seq");
    await writer.flush();
    const stored = await historyOf(storage, "a");
    expect(stored.map(({ metadata }) => metadata.i)).toEqual(Array.from({ length: 20 }, (_, i) => i * 2));
    expect(stored.map(({ messageId }) => messageId)).toEqual(
      taken.filter((_, i) => i % 2 === 0).map((each) => each.messageId),
    );
    expect(stored[0]?.timestamp).toEqual(taken[0]?.timestamp);
    expect(writer.stats()).toEqual({
      stored: 40,
      countedUpdates: 0,
      counterUpdates: 0,
      failed: 0,
      retries: 0,
      waiting: 0,
    });
    await writer.close();
    await writer.close();
    await expect(writer.append("a", "user", "late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("tries again while the store is away, and stores each message once", async () => {
    const inner = await sessions("a", "b");
    const { storage } = faultyStorage(inner, seededFaults({ seed: 5, before: 0.3, after: 0.3, maxDelayMs: 0 }));
    const writer = bufferedWriter(storage, { maxMessages: 3, maxRetryMs: 2 });
    for (let i = 0; i < 60; i++) await writer.append(i % 2 === 0 ? "a" : "b", "user", `${i}`);
    await writer.flush();
    expect(writer.stats()).toMatchObject({ stored: 60, failed: 0, waiting: 0, retries: expect.any(Number) });
    for (const [at, id] of ["a", "b"].entries()) {
      expect((await historyOf(inner, id)).map(({ content }) => content)).toEqual(
        Array.from({ length: 30 }, (_, i) => `${i * 2 + at}`),
      );
    }
    await writer.close();
  });

  it("refuses at once what can never be stored, and tells of what the store refuses for good", async () => {
    const storage = await sessions("a");
    const failures: BufferedFailure[] = [];
    const writer = bufferedWriter(storage, { onFailure: (failure) => failures.push(failure) });
    await expect(writer.append("a", "user", { no: 1 } as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(writer.append("a", "user", [{ type: "f", f: () => 1 }])).rejects.toMatchObject({
      code: "SERIALIZATION",
    });
    await expect(writer.append("", "user", "x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await writer.append("absent", "user", "one", { messageId: "m1" });
    await writer.append("absent", "user", "two", { messageId: "m2" });
    await writer.append("a", "user", "three");
    await writer.flush();
    expect(failures.map(({ messageId, error }) => [messageId, error.code])).toEqual([
      ["m1", "SESSION_NOT_FOUND"],
      ["m2", "SESSION_NOT_FOUND"],
    ]);
    expect(writer.stats()).toMatchObject({ stored: 1, failed: 2, waiting: 0 });
    for (const options of [{ maxWaiting: 0 }, { durability: "crash" as const }, { flushMs: 1 }]) {
      expect(() => bufferedWriter(storage, options as object)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
  });

  it("lets appends wait while as much waits as may", async () => {
    const inner = await sessions("a");
    const faulty = faultyStorage(inner);
    const writer = bufferedWriter(faulty.storage, { maxWaiting: 2, maxRetryMs: 2 });
    faulty.disconnect();
    await writer.append("a", "user", "1");
    await writer.append("a", "user", "2");
    let isTaken = false;
    const third = writer.append("a", "user", "3").then(() => {
      isTaken = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isTaken).toBe(false);
    faulty.reconnect();
    await third;
    await writer.flush();
    expect((await historyOf(inner, "a")).map(({ content }) => content)).toEqual(["1", "2", "3"]);
  });
});

describe("counts", () => {
  it("that gather until the store is free are one update of the sum, and each error is one", async () => {
    const storage = await sessions("a", "b");
    const writer = bufferedWriter(storage);
    const taken: unknown[] = [];
    for (let i = 0; i < 30; i++) {
      const update = { incrementRequests: i % 2 === 0 ? true : 3, addProcessingTime: 0.5, markError: i % 10 === 0 };
      taken.push(await writer.count(i < 20 ? "a" : "b", update));
    }
    expect(taken[0]).toEqual({ buffered: true, durability: "memory", sessionId: "a" });
    expect(await storage.getSession("a")).toMatchObject({ requestCount: 0, version: 1 });
    await writer.flush();
    expect(await storage.getSession("a")).toMatchObject({
      requestCount: 40,
      totalProcessingTime: 10,
      errorCount: 2,
      version: 3,
    });
    expect(await storage.getSession("b")).toMatchObject({ requestCount: 20, totalProcessingTime: 5, errorCount: 1 });
    expect(writer.stats()).toMatchObject({ stored: 0, countedUpdates: 30, counterUpdates: 3, failed: 0, waiting: 0 });
    await writer.close();
  });

  it("stay within what one update can say", async () => {
    const storage = await sessions("a");
    const writer = bufferedWriter(storage);
    for (let i = 0; i < 2; i++) await writer.count("a", { addProcessingTime: 6e8 });
    for (let i = 0; i < 2; i++) await writer.count("a", { incrementRequests: 1e9 });
    await writer.flush();
    expect(await storage.getSession("a")).toMatchObject({ totalProcessingTime: 12e8, requestCount: 2e9 });
    expect(writer.stats()).toMatchObject({ countedUpdates: 4, counterUpdates: 3, failed: 0 });
    await writer.close();
  });

  it("are counted once, however often they are sent", async () => {
    const inner = await sessions("a", "b");
    const { storage } = faultyStorage(inner, seededFaults({ seed: 7, before: 0.3, after: 0.4, maxDelayMs: 0 }));
    const writer = bufferedWriter(storage, { maxRetryMs: 2 });
    for (let i = 0; i < 60; i++) {
      await writer.count(i % 2 === 0 ? "a" : "b", { incrementRequests: 2, addProcessingTime: 0.25 });
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.flush();
    const { retries } = writer.stats();
    expect(retries).toBeGreaterThan(0);
    for (const id of ["a", "b"]) {
      expect(await inner.getSession(id)).toMatchObject({ requestCount: 60, totalProcessingTime: 7.5 });
    }
    await writer.close();
  });

  it("are refused at once where they are none, and told of where the store refuses them for good", async () => {
    const storage = await sessions("a");
    const failures: BufferedFailure[] = [];
    const writer = bufferedWriter(storage, { onFailure: (failure) => failures.push(failure) });
    for (const update of [{}, { incrementRequests: -1 }, { addProcessingTime: Number.NaN }, { status: "failed" }]) {
      await expect(writer.count("a", update as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await writer.count("absent", { incrementRequests: 2 });
    await writer.count("absent", { incrementRequests: 3, markError: true });
    await writer.flush();
    expect(failures.map(({ update, error }) => [update, error.code])).toEqual([
      [{ incrementRequests: 2 }, "SESSION_NOT_FOUND"],
      [{ incrementRequests: 3, markError: true }, "SESSION_NOT_FOUND"],
    ]);
    expect(writer.stats()).toMatchObject({ countedUpdates: 0, failed: 2, waiting: 0 });
    await writer.close();
    await expect(writer.count("a", { incrementRequests: true })).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("in a journal that were sent without an answer are sent again as they were, and counted once", async () => {
    const inner = await sessions("a");
    const journal = journalPath();
    const faulty = faultyStorage(inner, seededFaults({ seed: 3, before: 0, after: 1, maxDelayMs: 0 }));
    const first = bufferedWriter(faulty.storage, { journal, maxRetryMs: 2 });
    for (let i = 0; i < 5; i++) await first.count("a", { incrementRequests: true });
    // The five have reached the store, and these come behind them.
    await vi.waitFor(async () => expect((await inner.getSession("a"))?.requestCount).toBe(5), { timeout: 10_000 });
    for (let i = 0; i < 3; i++) await first.count("a", { incrementRequests: true });
    await expect(first.close({ timeoutMs: 30 })).rejects.toMatchObject({
      code: "TIMEOUT",
      message: expect.stringMatching(/8 writes .* in the journal/),
    });
    for (let round = 0; round < 2; round++) {
      const next = bufferedWriter(inner, { journal });
      expect(next.stats().waiting).toBe(round === 0 ? 8 : 0);
      if (round === 0) await next.count("a", { incrementRequests: true });
      await next.flush();
      await next.close();
      expect((await inner.getSession("a"))?.requestCount).toBe(9);
    }
  });
});

describe("a journal", () => {
  it("hands on what could not be stored to the next writer, which stores it once", async () => {
    const inner = await sessions("a");
    const journal = journalPath();
    const faulty = faultyStorage(inner, seededFaults({ seed: 3, before: 0, after: 1, maxDelayMs: 0 }));
    const first = bufferedWriter(faulty.storage, { journal, maxRetryMs: 2 });
    for (let i = 0; i < 5; i++)
      expect(await first.append("a", "user", `${i}`)).toMatchObject({ durability: "process" });
    await expect(first.close({ timeoutMs: 30 })).rejects.toMatchObject({
      code: "TIMEOUT",
      message: expect.stringMatching(/5 writes .* in the journal/),
    });
    // All of it is in the store already: only the answers were lost. A torn line was never acknowledged.
    appendFileSync(journal, '{"number":99,"sess');
    const second = bufferedWriter(inner, { journal, durability: "crash" });
    await second.append("a", "user", "5");
    await second.flush();
    expect((await historyOf(inner, "a")).map(({ content }) => content)).toEqual(["0", "1", "2", "3", "4", "5"]);
    await second.close();
    const third = bufferedWriter(inner, { journal });
    expect(third.stats().waiting).toBe(0);
    await third.close();
    expect(statSync(journal).mode & 0o077).toBe(0);
  });

  it("does not grow while everything is stored", async () => {
    const storage = await sessions("a");
    const journal = journalPath();
    const writer = bufferedWriter(storage, { journal });
    for (let i = 0; i < 40; i++) {
      await writer.append("a", "user", "x".repeat(5_000));
      if (i % 10 === 9) await writer.flush();
    }
    await writer.close();
    expect(readFileSync(journal).length).toBeLessThan(120_000);
  });

  it("that is damaged, or cannot be opened, is refused with a typed error that holds no content", () => {
    const journal = journalPath();
    writeFileSync(journal, '{"number":1,"sessionId":"a","content":"\\"secret\\""}\nsecret words\n');
    expect(() => bufferedWriter(memoryStorage(), { journal })).toThrow(
      expect.objectContaining({ code: "CORRUPTION", message: expect.not.stringContaining("secret") }),
    );
    expect(() => bufferedWriter(memoryStorage(), { journal: join(journal, "below") })).toThrow(
      expect.objectContaining({ code: "CONNECTION", retryable: false }),
    );
  });

  it("keeps every acknowledged message and count of a process that is killed", { timeout: 30_000 }, async () => {
    const journal = journalPath();
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "appending-process.ts"), journal], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const closed = once(child, "close");
      let output = "";
      for await (const chunk of child.stdout) {
        output += chunk;
        if (output.split("\n").length > 60 + round * 17) child.kill("SIGKILL");
      }
      await closed;
      const acknowledged = output.split("\n").slice(0, -1);
      expect(acknowledged.length).toBeGreaterThan(50);
      const storage = await sessions("s0", "s1", "s2");
      const writer = bufferedWriter(storage, { journal });
      await writer.flush();
      await writer.close();
      const stored = (await Promise.all(["s0", "s1", "s2"].map((id) => historyOf(storage, id)))).flat();
      const ids = stored.map(({ messageId }) => messageId);
      expect(new Set(ids).size).toBe(ids.length);
      expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
      for (const id of ["s0", "s1", "s2"]) {
        const order = (await historyOf(storage, id)).map(({ metadata }) => metadata.i as number);
        expect(order).toEqual([...order].sort((a, b) => a - b));
        // The process counted once for each message that it told of, behind it.
        const told = stored.filter((each) => each.sessionId === id && acknowledged.includes(each.messageId)).length;
        const counted = (await storage.getSession(id))?.requestCount;
        expect(counted).toBeGreaterThanOrEqual(told);
        expect(counted).toBeLessThanOrEqual(order.length);
      }
    }
  });
});
