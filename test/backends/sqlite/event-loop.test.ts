// No call holds the event loop for as long as all of its work takes, however much it is about.
import { expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { expectShortSteps, turnsDuring } from "../../support/event-loop.js";
import { newPath } from "./folder.js";

async function append(storage: StorageBackend, sessionId: string, count: number): Promise<void> {
  const message = { role: "user", content: "x".repeat(1_000) };
  for (let added = 0; added < count; added += 500) {
    await storage.addConversationMessages(
      sessionId,
      Array.from({ length: 500 }, () => message),
    );
  }
}

const patient = { timeoutMs: 120_000 };

const nothing = async (): Promise<void> => undefined;

it("while a conversation of 200,000 messages is deleted", { timeout: 600_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.createSession("s", "u");
  await expectShortSteps(
    "deleteConversationMessages",
    () => append(storage, "s", 200_000),
    () => storage.deleteConversationMessages("s", "all", patient),
  );
});

it("while a session with 200,000 messages is deleted", { timeout: 600_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await expectShortSteps(
    "deleteSession",
    async () => {
      await storage.createSession("s", "u");
      await append(storage, "s", 200_000);
    },
    () => storage.deleteSession("s", patient),
  );
});

it("while long histories, listings, searches and counts are read and a large state is stored", {
  timeout: 600_000,
}, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  for (let i = 0; i < 20; i++) {
    await storage.batchCreateSessions(
      Array.from({ length: 1_000 }, (_, k) => ({ sessionId: `s${i}:${k}`, userId: "u", metadata: { k } })),
    );
    await storage.batchItems(
      Array.from({ length: 500 }, (_, k) => ({ put: { namespace: ["a"], key: `${i}:${k}`, value: { k } } })),
    );
  }
  await append(storage, "s0:0", 10_000);
  const state = "x".repeat(8 * 1024 * 1024);
  const calls: [string, () => Promise<unknown>][] = [
    ["listSessions", () => storage.listSessions({ metadata: { k: -1 } })],
    ["searchItems", () => storage.searchItems(["a"], { filter: { k: -1 } })],
    ["getMetrics", () => storage.getMetrics()],
    ["storeCheckpoint", () => storage.storeCheckpoint("t", "c", state)],
    ["cleanupExpiredSessions", () => storage.cleanupExpiredSessions({ maxIdleHours: 0, dryRun: true })],
    [
      "many reads at once",
      () => Promise.all(Array.from({ length: 2_000 }, () => storage.getConversationHistory("s0:0", { limit: 10 }))),
    ],
  ];
  for (const [name, call] of calls) await expectShortSteps(name, async () => undefined, call);
});

it("many reads that are begun at once leave turns to others between them", { timeout: 600_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  await storage.createSession("s", "u");
  await append(storage, "s", 500);
  const read = (): Promise<unknown> => storage.getConversationHistory("s", { limit: 1 });
  expect(await turnsDuring(() => Promise.all(Array.from({ length: 10_000 }, read)))).toBeGreaterThan(10);
});

it("while 50,000 items are deleted, and a thread of 20,000 checkpoints is copied, listed, pruned and deleted", {
  timeout: 600_000,
}, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  const putItems = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      await storage.batchItems(
        Array.from({ length: 1_000 }, (_, k) => ({ put: { namespace: ["a", `${k}`], key: `${i}`, value: { k } } })),
        patient,
      );
    }
  };
  await expectShortSteps("deleteItems", putItems, () => storage.deleteItems(["a"], patient));
  for (let i = 0; i < 20_000; i += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, k) => storage.storeCheckpoint("t", `c${i + k}`, i + k)));
  }
  let copies = 0;
  const copy = (): Promise<boolean> => {
    copies += 1;
    return storage.copyThread("t", `copy ${copies}`, patient);
  };
  await expectShortSteps("copyThread", nothing, copy);
  await expectShortSteps("listCheckpoints", nothing, () =>
    storage.listCheckpoints("t", { limit: 10_000, data: true, ...patient }),
  );
  await expectShortSteps("counting what pruning removes", nothing, () =>
    storage.pruneCheckpoints({ threadId: "t", keepLast: 1 }, { dryRun: true, ...patient }),
  );
  await expectShortSteps("pruneCheckpoints", copy, () =>
    storage.pruneCheckpoints({ threadId: `copy ${copies}`, keepLast: 1 }, patient),
  );
  const ids = Array.from({ length: 1_000 }, (_, i) => `c${i * 20}`);
  await expectShortSteps("deleteCheckpoints", copy, () => storage.deleteCheckpoints(`copy ${copies}`, ids, patient));
  await expectShortSteps("deleteThread", copy, () => storage.deleteThread(`copy ${copies}`, patient));
});
