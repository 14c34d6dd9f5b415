// Rows of some hundred KB are read a few at a time, with turns of the event loop between them.
import { createHash } from "node:crypto";
import { beforeEach, expect, it, vi } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { ItemOperation } from "../../../src/contract/item-storage.js";
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

it("metadata of some hundred KB, in listings and in an export", { timeout: 60_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  const ids = Array.from({ length: COUNT }, (_, i) => `s${i}`);
  for (const [i, id] of ids.entries()) {
    const metadata = { i, text: "x".repeat(500_000) };
    await storage.createSession(id, "u", { metadata, ...patient });
    await storage.addConversationMessages("s0", [{ role: "user", content: "x", metadata }], patient);
    await storage.storeCheckpoint("t", `c${i}`, { i }, { metadata, ...patient });
    if (i < 20) await storage.storeTaskContext("s0", { i }, { metadata, ...patient });
  }
  const counts = {
    sessions: await turnsDuring(() => storage.listSessions({ limit: COUNT, ...patient })),
    filtered: await turnsDuring(() => storage.listSessions({ metadata: { i: -1 }, ...patient })),
    batch: await turnsDuring(() => storage.batchGetSessions(ids, patient)),
    messages: await turnsDuring(() => storage.getConversationHistory("s0", { limit: COUNT, ...patient })),
    checkpoints: await turnsDuring(() => storage.listCheckpoints("t", { limit: COUNT, ...patient })),
    versions: await turnsDuring(() => storage.listTaskContextVersions("s0", patient)),
    exported: await turnsDuring(async () => {
      for await (const _record of storage.exportRecords({ kinds: ["session"] }));
    }),
  };
  // At once, the listing by a filter was 1, and the others 4 to 7.
  for (const [name, turns] of Object.entries(counts)) expect(turns, name).toBeGreaterThan(20);
});

it("items that a batch finds, and messages that are there already", { timeout: 60_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.createSession("s", "u", patient);
  const text = "x".repeat(500_000);
  const place = (i: number) => ({ namespace: ["n"], key: `k${i}` });
  for (let i = 0; i < COUNT; i++) {
    await storage.putItem(["n"], `k${i}`, { i, text }, patient);
    await storage.addConversationMessages("s", [{ role: "user", content: text, messageId: `m${i}` }], patient);
  }
  const range = Array.from({ length: COUNT }, (_, i) => i);
  const batch = (one: (i: number) => ItemOperation): Promise<number> =>
    turnsDuring(() => storage.batchItems([...range.map(one), { put: { ...place(-1), value: {} } }], patient));
  const counts = {
    got: await batch((i) => ({ get: place(i) })),
    updated: await batch((i) => ({ update: { ...place(i), merge: { i: 100 + i } } })),
    added: await turnsDuring(() =>
      storage.addConversationMessages(
        "s",
        range.map((i) => ({ role: "user", content: "x", messageId: `m${i}` })),
        patient,
      ),
    ),
  };
  // At once, they were 7 each.
  for (const [name, turns] of Object.entries(counts)) expect(turns, name).toBeGreaterThan(COUNT);
  expect((await storage.getItem(["n"], "k7", patient))?.value).toEqual({ i: 107, text });
});

it("10,000 writes of one checkpoint that is deleted", { timeout: 60_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.storeCheckpoint("t", "c", 1, patient);
  const writes = Array.from({ length: 10_000 }, (_, i) => ["c", i] as const);
  await storage.putWrites("t", "c", "task", writes, patient);
  let removed: unknown;
  const turns = await turnsDuring(async () => {
    removed = await storage.deleteCheckpoints("t", ["c"], patient);
  });
  expect(removed).toMatchObject({ removedCheckpoints: 1, removedWrites: 10_000, removedBytes: 38_891 });
  // At once, they were 6.
  expect(turns).toBeGreaterThan(40);
});

it("a checkpoint that is stored again and again beside others, whose blocks are swept now and then", {
  timeout: 60_000,
}, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  const state = (i: number): string => createHash("sha512").update(`${i}`).digest("hex").repeat(40);
  for (let i = 0; i < 400; i++) await storage.storeCheckpoint("t", `c${i}`, state(i), patient);
  let most = 0;
  for (let i = 0; i < 400; i++) {
    most = Math.max(most, await turnsDuring(() => storage.storeCheckpoint("t", "again", state(1_000 + i), patient)));
  }
  // The sweep was a part of a single step: 1.
  expect(most).toBeGreaterThan(20);
});
