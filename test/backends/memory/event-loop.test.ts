// No call of the memory backend holds the event loop for as long as all of its work takes, however much it is about.
import { expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { expectShortSteps, turnsDuring } from "../../support/event-loop.js";

const patient = { timeoutMs: 300_000 };

const range = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** A thread of small states in one import: storing them one by one would take most of the test. */
async function importThread(storage: StorageBackend, count: number): Promise<void> {
  const instant = "2026-01-01T00:00:00.000Z";
  function* records(): Generator<StorageRecord> {
    yield { kind: "thread", thread_id: "t", created_at: instant, updated_at: instant, last_seq: count };
    for (let seq = 1; seq <= count; seq++) {
      const place = { kind: "checkpoint", thread_id: "t", namespace: "", checkpoint_id: `c${seq}`, seq } as const;
      yield { ...place, data: seq, metadata: {}, created_at: instant };
    }
  }
  await storage.importRecords(records(), { onConflict: "replace" });
}

const nothing = async (): Promise<void> => undefined;

it("while batches search 100,000 items again and again", { timeout: 600_000 }, async () => {
  await using storage = memoryStorage();
  for (let i = 0; i < 100; i++) {
    const puts = range(1_000, (k) => ({ put: { namespace: ["a", `${k}`], key: `${i}`, value: { i, k } } }));
    await storage.batchItems(puts, patient);
  }
  const searches = range(12, () => ({ search: { prefix: ["a"], filter: { i: -1 } } }));
  await expectShortSteps("batchItems", nothing, () =>
    storage.batchItems([{ put: { namespace: ["b"], key: "k", value: {} } }, ...searches], patient),
  );
});

it("while a thread of 100,000 checkpoints is imported, copied, exported and pruned", { timeout: 600_000 }, async () => {
  await using storage = memoryStorage();
  await expectShortSteps("importRecords", nothing, () => importThread(storage, 100_000));
  let copies = 0;
  const copy = (): Promise<boolean> => {
    copies += 1;
    return storage.copyThread("t", `copy ${copies}`, patient);
  };
  await expectShortSteps("copyThread", nothing, copy);
  await expectShortSteps("exportRecords", nothing, async () => {
    for await (const _record of storage.exportRecords({ threadId: "t" }));
  });
  await expectShortSteps("pruneCheckpoints", copy, () =>
    storage.pruneCheckpoints({ threadId: `copy ${copies}`, keepLast: 1 }, patient),
  );
});

it("many calls one after another leave turns to others between them", { timeout: 600_000 }, async () => {
  await using storage = memoryStorage();
  await storage.createSession("s", "u", patient);
  const turns = await turnsDuring(async () => {
    for (const end = performance.now() + 500; performance.now() < end; ) await storage.getSession("s", patient);
  });
  expect(turns).toBeGreaterThan(1);
});

it("many reads that are begun at once leave turns to others between them", { timeout: 600_000 }, async () => {
  await using storage = memoryStorage();
  const list = range(10_000, (i) => ({ i, name: `name ${i}`, tags: ["a"] }));
  await storage.putItem(["a"], "k", { list }, patient);
  const read = (): Promise<unknown> => storage.getItem(["a"], "k", patient);
  expect(await turnsDuring(() => Promise.all(range(100, read)))).toBeGreaterThan(10);
});
