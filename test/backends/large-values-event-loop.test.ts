// No call holds the event loop for as long as all of its work takes, however large a value is.
import { describe, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import type { StorageRecord } from "../../src/contract/records.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { expectShortSteps } from "../support/event-loop.js";
import { LARGE_VALUES } from "../support/large-values.js";
import { newPath } from "./sqlite/folder.js";

const patient = { timeoutMs: 120_000 };

const nothing = async (): Promise<void> => undefined;

describe.each<[string, () => StorageBackend]>([
  ["memory", () => memoryStorage()],
  ["sqlite", () => sqliteStorage({ path: newPath() })],
])("%s", (_backend, open) => {
  it.each(LARGE_VALUES)("while a large value is stored and read: %s", { timeout: 600_000 }, async (_name, make) => {
    await using storage = open();
    await storage.createSession("s", "u");
    let value: unknown;
    const prepare = async (): Promise<void> => {
      // No state of the thread shares anything with it.
      await storage.deleteThread("t");
      value = make();
    };
    await expectShortSteps("storeCheckpoint", prepare, () => storage.storeCheckpoint("t", "c", value, patient));
    await expectShortSteps("getCheckpoint", nothing, () => storage.getCheckpoint("t", patient));
    await expectShortSteps("storeTaskContext", nothing, () => storage.storeTaskContext("s", value, patient));
    await expectShortSteps("getTaskContext", nothing, () => storage.getTaskContext("s", patient));
    let records: StorageRecord[] = [];
    await expectShortSteps("exportRecords", nothing, async () => {
      records = [];
      for await (const record of storage.exportRecords()) records.push(record);
    });
    await expectShortSteps("importRecords", nothing, () => storage.importRecords(records, { onConflict: "replace" }));
  });

  it("while an item of some 8 MB is stored, read, searched, counted and updated", { timeout: 600_000 }, async () => {
    await using storage = open();
    const list = Array.from({ length: 59_000 }, (_, i) => ({ id: i, name: `n${i} `.repeat(14), tags: ["a"] }));
    const filter = { list: { $exists: true } };
    await expectShortSteps("putItem", nothing, () => storage.putItem(["a"], "k", { list }, patient));
    await expectShortSteps("getItem", nothing, () => storage.getItem(["a"], "k", patient));
    await expectShortSteps("searchItems", nothing, () => storage.searchItems(["a"], { filter, ...patient }));
    await expectShortSteps("countItems", nothing, () => storage.countItems(["a"], { filter, ...patient }));
    await expectShortSteps("updateItem", nothing, () => storage.updateItem(["a"], "k", { merge: { b: 1 } }, patient));
    await expectShortSteps("updateItem with much that is merged", nothing, () =>
      storage.updateItem(["a"], "l", { merge: { list } }, patient),
    );
  });
});
