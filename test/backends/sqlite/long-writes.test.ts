// Intermediate writes with long values: compacted in the file, whole for everybody who asks, and told when they are damaged.
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { encodeValue } from "../../../src/domain/codec/codec.js";
import { prose } from "../../domain/segments/prose.js";
import { firstValue, newPath, outside } from "./folder.js";

const VALUES = [
  [{ role: "assistant", content: prose(1, 2_000) }],
  "short",
  { text: `é😀${prose(2, 40_000)}` },
  prose(3, 300_000),
];
const TEXT_BYTES = VALUES.reduce<number>((sum, value) => sum + Buffer.byteLength(encodeValue(value)), 0);
const COMPACTED = "SELECT count(*) FROM checkpoint_writes WHERE typeof(value) = 'blob'";

/** A thread with an older checkpoint, whose writes are long, and a newer one. */
async function filled(path: string): Promise<StorageBackend> {
  const storage = sqliteStorage({ path });
  await storage.storeCheckpoint("t", "c1", {});
  const writes = VALUES.map((value): [string, unknown] => ["channel", value]);
  await storage.putWrites("t", "c1", "task", writes);
  await storage.storeCheckpoint("t", "c2", {}, { parentId: "c1" });
  return storage;
}

const valuesOf = async (storage: StorageBackend, threadId: string): Promise<unknown[]> =>
  (await storage.getWrites(threadId, "c1")).map(({ value }) => value);

async function drained(records: AsyncIterable<unknown>): Promise<void> {
  for await (const _record of records);
}

describe("long writes", () => {
  it("are smaller in the file, and come back whole", async () => {
    const path = newPath();
    await using storage = await filled(path);
    expect(await valuesOf(storage, "t")).toEqual(VALUES);
    expect(firstValue(path, COMPACTED)).toBe(2);
    const [message] = VALUES;
    expect(firstValue(path, "SELECT octet_length(value) FROM checkpoint_writes WHERE idx = 0")).toBeLessThan(
      Buffer.byteLength(encodeValue(message)) * 0.6,
    );
    const shown = outside(path, (db) => db.prepare("SELECT value FROM checkpoint_writes_view ORDER BY idx").all());
    expect(shown.map(({ value }) => value)).toEqual([null, '"short"', null, encodeValue(VALUES[3])]);
  });

  it("are overwritten by short ones, and overwrite them", async () => {
    const path = newPath();
    await using storage = await filled(path);
    const swapped = VALUES.toReversed();
    await storage.putWrites(
      "t",
      "c1",
      "task",
      swapped.map((value): [string, unknown] => ["channel", value]),
      {
        overwrite: true,
      },
    );
    expect(await valuesOf(storage, "t")).toEqual(swapped);
    expect(firstValue(path, COMPACTED)).toBe(2);
  });

  it("count with the bytes of their text when they are removed, damaged or not", async () => {
    for (const damage of [
      "",
      "UPDATE checkpoint_writes SET value = substr(value, 1, 20) WHERE typeof(value) = 'blob'",
    ]) {
      const path = newPath();
      await using storage = await filled(path);
      outside(path, (db) => db.exec(damage));
      const removed = { removedWrites: VALUES.length, removedBytes: TEXT_BYTES + 2 };
      expect(await storage.pruneCheckpoints({ keepLast: 1 }, { dryRun: true })).toMatchObject(removed);
      expect(await storage.pruneCheckpoints({ keepLast: 1 })).toMatchObject(removed);
      expect(firstValue(path, "SELECT count(*) FROM checkpoint_writes")).toBe(0);
    }
    await using storage = await filled(newPath());
    expect(await storage.deleteCheckpoints("t", ["c1"])).toMatchObject({ removedBytes: TEXT_BYTES + 2 });
  });

  it("are copied, exported and imported as what they are", async () => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.copyThread("t", "copy");
    expect(await valuesOf(storage, "copy")).toEqual(VALUES);
    expect(firstValue(path, COMPACTED)).toBe(4);
    const elsewhere = newPath();
    await using other = sqliteStorage({ path: elsewhere });
    await other.importRecords(storage.exportRecords());
    expect(await valuesOf(other, "copy")).toEqual(VALUES);
    expect(firstValue(elsewhere, COMPACTED)).toBe(4);
  });
});

describe("a long write that was changed on the disk", () => {
  const damaged = { code: "CORRUPTION", message: 'the content of a write of checkpoint "c1" is damaged' };
  const flip = (path: string, at: number): void =>
    outside(path, (db) => {
      const row = db
        .prepare("SELECT id, value FROM checkpoint_writes WHERE checkpoint_id = 'c1' AND idx = 0")
        .get() as { id: number; value: Uint8Array };
      row.value[at] = (row.value[at] as number) ^ 1;
      db.prepare("UPDATE checkpoint_writes SET value = ? WHERE id = ?").run(row.value, row.id);
    });

  it.each([1, 3, 4, 100, 300, 600])("at byte %i is reported by all who read it, and not copied", async (at) => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.initialize();
    flip(path, at);
    await expect(storage.getWrites("t", "c1")).rejects.toMatchObject(damaged);
    await expect(storage.getCheckpoint("t", { checkpointId: "c1", writes: true })).rejects.toMatchObject(damaged);
    await expect(storage.copyThread("t", "copy")).rejects.toMatchObject(damaged);
    await expect(drained(storage.exportRecords())).rejects.toMatchObject(damaged);
    expect(await storage.getWrites("copy", "c1")).toEqual([]);
  });

  it("keeps nobody from the writes of other checkpoints", async () => {
    const path = newPath();
    await using storage = await filled(path);
    for (const name of ["c0", "c2"]) await storage.putWrites("t", name, "task", [["channel", VALUES[0]]]);
    flip(path, 100);
    for (const name of ["c0", "c2"]) {
      expect(await storage.getWrites("t", name)).toEqual([expect.objectContaining({ value: VALUES[0] })]);
    }
  });

  it("is reported without its checksum too when it is cut short, and accepted as a text that a person wrote", async () => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.initialize();
    outside(path, (db) =>
      db.exec("UPDATE checkpoint_writes SET value = substr(value, 1, 500), checksum = NULL WHERE idx = 0"),
    );
    await expect(storage.getWrites("t", "c1")).rejects.toMatchObject(damaged);
    outside(path, (db) => db.exec("UPDATE checkpoint_writes SET value = '[1]' WHERE idx = 0"));
    expect(await valuesOf(storage, "t")).toEqual([[1], ...VALUES.slice(1)]);
  });

  it("in its first byte is a form that this version cannot read", async () => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.initialize();
    flip(path, 0);
    await expect(storage.getWrites("t", "c1")).rejects.toMatchObject({
      name: expect.stringMatching(/Corruption|Unsupported/),
    });
  });
});
