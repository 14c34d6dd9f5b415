// What one call is given is taken at once, and no more: the rest of its values is encoded in slices, and the driver has a turn for itself.
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { memoryDriver, memoryStorage } from "../../../src/backends/memory/index.js";
import type { NewMessage } from "../../../src/contract/conversation-storage.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storedValues } from "../../../src/contract/stored-replacement.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { ValueSnapshot } from "../../../src/domain/codec/codec.js";
import { MetadataSnapshot } from "../../../src/domain/metadata.js";

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const TEXT = "x".repeat(500_000);

const large = (i: number) => ({ type: "data", i, text: TEXT });

describe("values that are large together are encoded in slices", () => {
  it.each<[string, (storage: StorageBackend) => Promise<unknown>]>([
    [
      "messages",
      (storage) =>
        storage.addConversationMessages(
          "s",
          times(40, (i) => ({ role: "user", content: [large(i)] })),
        ),
    ],
    [
      "writes",
      (storage) =>
        storage.putWrites(
          "t",
          "c",
          "task",
          times(40, (i) => ["c", large(i)] as const),
        ),
    ],
    [
      "items",
      (storage) => storage.batchItems(times(40, (i) => ({ put: { namespace: ["n"], key: `${i}`, value: large(i) } }))),
    ],
    [
      "what updates of items merge",
      (storage) =>
        storage.batchItems(times(40, (i) => ({ update: { namespace: ["n"], key: `${i}`, merge: large(i) } }))),
    ],
    [
      "replacements",
      async (storage) =>
        storedValues(storage)?.replaceStored(
          times(20, (i) => ({
            kind: "message",
            sessionId: "s",
            seq: i + 1,
            from: { content: [large(i)], metadata: {} },
            to: { content: [large(-i)], metadata: {} },
          })),
        ),
    ],
  ])("%s", async (_name, call) => {
    await using storage = memoryStorage();
    await storage.createSession("s", "u");
    const values = vi.spyOn(ValueSnapshot.prototype, "encode");
    const objects = vi.spyOn(MetadataSnapshot.prototype, "encode");
    onTestFinished(() => void vi.restoreAllMocks());
    await call(storage);
    const inSlices = values.mock.calls.length + objects.mock.calls.length;
    expect(inSlices).toBeGreaterThan(30);
    expect(inSlices).toBeLessThanOrEqual(40);
  });
});

describe("the driver", () => {
  const begunAtOnce = async (messages: readonly NewMessage[]): Promise<boolean> => {
    const driver = memoryDriver();
    let begun = false;
    const addMessages: typeof driver.addMessages = (...args) => {
      begun = true;
      return driver.addMessages(...args);
    };
    await using storage = storageBackend({ ...driver, addMessages });
    await storage.createSession("s", "u");
    await nextTurn();
    const call = storage.addConversationMessages("s", messages);
    await Promise.resolve();
    const atOnce = begun;
    expect(await call).toHaveLength(messages.length);
    return atOnce;
  };
  const little = (i: number): NewMessage => ({ role: "user", content: `${i}` });
  const medium: NewMessage = { role: "user", content: "x".repeat(100_000) };

  it("begins in the same turn with a few messages", async () => {
    expect(await begunAtOnce(times(100, little))).toBe(true);
    expect(await begunAtOnce(times(5, () => medium))).toBe(true);
  });

  it("begins in another turn with many messages, or much in them", async () => {
    expect(await begunAtOnce(times(600, little))).toBe(false);
    expect(await begunAtOnce(times(30, () => medium))).toBe(false);
  });
});
