// Rows of some hundred KB are read a few at a time, with turns of the event loop between them.
import { beforeEach, expect, it, vi } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { turnsDuring } from "../../support/event-loop.js";
import { newPath } from "./folder.js";

const patient = { timeoutMs: 80_000_000 };

const COUNT = 24;

// Each look at the time finds that the turn is over, as if every step took long.
beforeEach(() => {
  let time = 0;
  vi.spyOn(performance, "now").mockImplementation(() => {
    time += 10;
    return time;
  });
});

async function filled(): Promise<StorageBackend> {
  const storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.createSession("s", "u", patient);
  for (let i = 0; i < COUNT; i++) {
    const text = `${i} `.repeat(100_000);
    const role = i % 2 === 0 ? "user" : "assistant";
    await storage.addConversationMessages("s", [{ role, content: text }], patient);
    await storage.storeCheckpoint(
      "t",
      `c${i}`,
      { text: Array.from({ length: 40 }, () => text.slice(0, 20_000)), i },
      patient,
    );
  }
  return storage;
}

it("messages of a page, of some roles and of an export, and states of a listing and of an export", {
  timeout: 60_000,
}, async () => {
  await using storage = await filled();
  const turns = async (read: () => Promise<readonly unknown[]>, count: number): Promise<number> => {
    let found: readonly unknown[] = [];
    const counted = await turnsDuring(async () => {
      found = await read();
    });
    expect(found).toHaveLength(count);
    return counted;
  };
  const exported = async (kinds: readonly ["message" | "checkpoint"]): Promise<unknown[]> => {
    const records: unknown[] = [];
    for await (const record of storage.exportRecords({ kinds })) records.push(record);
    return records;
  };
  const history = { limit: COUNT, ...patient };
  const counts = {
    page: await turns(() => storage.getConversationHistory("s", history), COUNT),
    roles: await turns(() => storage.getConversationHistory("s", { roles: ["user"], ...history }), COUNT / 2),
    messages: await turns(() => exported(["message"]), COUNT),
    listing: await turns(() => storage.listCheckpoints("t", { data: true, limit: 4, ...patient }), 4),
    states: await turns(() => exported(["checkpoint"]), COUNT),
  };
  // At once, they were 7, 4, 5, 2 and 10.
  expect(counts.page).toBeGreaterThan(10);
  expect(counts.roles).toBeGreaterThan(5);
  expect(counts.messages).toBeGreaterThan(20);
  expect(counts.listing).toBeGreaterThan(4);
  expect(counts.states).toBeGreaterThan(30);
});

it("messages and writes of one call, and writes that are read together", { timeout: 60_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.createSession("s", "u", patient);
  const texts = Array.from({ length: COUNT }, (_, i) => `${i} `.repeat(150_000));
  const messages = texts.map((content) => ({ role: "user", content }));
  const writes = texts.map((text) => ["c", text] as const);
  await storage.storeCheckpoint("t", "c", 1, patient);
  const counts = {
    added: await turnsDuring(() => storage.addConversationMessages("s", messages, patient)),
    put: await turnsDuring(() => storage.putWrites("t", "c", "task", writes, patient)),
    read: await turnsDuring(() => storage.getWrites("t", "c", patient)),
    beside: await turnsDuring(() => storage.getCheckpoint("t", { writes: true, ...patient })),
    listed: await turnsDuring(() => storage.listCheckpoints("t", { writes: true, limit: 1, ...patient })),
  };
  // At once, they were 118, 118, 7, 7 and 1; the first two encode what they are given in steps anyway.
  expect(counts.added).toBeGreaterThan(130);
  expect(counts.put).toBeGreaterThan(130);
  expect(counts.read).toBeGreaterThan(COUNT);
  expect(counts.beside).toBeGreaterThan(COUNT);
  expect(counts.listed).toBeGreaterThan(COUNT);
});
