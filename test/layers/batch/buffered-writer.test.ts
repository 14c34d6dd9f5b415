// Appends that are acknowledged before they are stored: in order, once, and with a journal also after the process is killed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, expectTypeOf, it, onTestFinished } from "vitest";
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
    expect(writer.stats()).toEqual({ stored: 40, failed: 0, retries: 0, waiting: 0 });
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
      message: expect.stringMatching(/5 messages .* in the journal/),
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

  it("keeps every acknowledged message of a process that is killed", { timeout: 30_000 }, async () => {
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
      }
    }
  });
});
