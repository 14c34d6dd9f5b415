// Ciphertext is valid in its place alone: what is changed, moved, played back or put together anew does not open.
import { describe, expect, it } from "vitest";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { recordsOf, replaceRecords, ring, storeWith } from "./rings.js";

const SECRET = "the word that must not be read";

const long = (text: string): object => ({ messages: Array.from({ length: 60 }, (_, i) => `${text} ${i} `.repeat(9)) });

/** A store with two of everything. */
async function filled(): Promise<ReturnType<typeof storeWith>> {
  const store = storeWith();
  const { storage } = store;
  for (const id of ["a", "b"]) {
    await storage.createSession(id, "u");
    await storage.addConversationMessage(id, "user", `${SECRET} ${id}`, { messageId: "m1" });
    await storage.addConversationMessage(id, "user", `${SECRET} second`, { messageId: "m2" });
    await storage.storeTaskContext(id, { context: `${SECRET} ${id} 1` });
    await storage.storeTaskContext(id, { context: `${SECRET} ${id} 2` });
    await storage.storeCheckpoint(id, "c1", long(id));
    await storage.storeCheckpoint(id, "c2", long(`${id} later`));
    await storage.putWrites(id, "c2", "task", [
      ["one", SECRET],
      ["two", "another"],
    ]);
    await storage.putItem(["n"], id, { text: `${SECRET} ${id}` });
  }
  return store;
}

type Of<Kind extends StorageRecord["kind"]> = Extract<StorageRecord, { kind: Kind }>;

/** The records with some of them changed. */
function changed<Kind extends StorageRecord["kind"]>(
  records: readonly StorageRecord[],
  kind: Kind,
  change: (record: Of<Kind>, others: readonly Of<Kind>[]) => Of<Kind>,
): StorageRecord[] {
  const others = records.filter((record): record is Of<Kind> => record.kind === kind);
  return records.map((record) => (record.kind === kind ? change(record as Of<Kind>, others) : record));
}

/** One letter of the base64 in the middle. */
function flipped(text: string): string {
  const at = Math.floor(text.length * 0.7);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

const READERS: { readonly [name: string]: (storage: StorageBackend) => Promise<unknown> } = {
  message: (storage) => storage.getConversationHistory("a"),
  task_context: (storage) => storage.getTaskContext("a"),
  checkpoint: (storage) => storage.getCheckpoint("a"),
  write: (storage) => storage.getWrites("a", "c2"),
  item: (storage) => storage.getItem(["n"], "a"),
};

const CHANGES: readonly [
  name: string,
  reader: keyof typeof READERS,
  change: (records: StorageRecord[]) => StorageRecord[],
][] = [
  [
    "a message with one letter changed",
    "message",
    (records) => changed(records, "message", (each) => ({ ...each, content: flipped(each.content as string) })),
  ],
  [
    "a message of another session",
    "message",
    (records) =>
      changed(records, "message", (each, all) => ({
        ...each,
        content: all.find((other) => other.session_id !== each.session_id && other.seq === each.seq)?.content ?? null,
      })),
  ],
  [
    "a message in the place of another one of its session",
    "message",
    (records) => changed(records, "message", (each, all) => ({ ...each, content: all[0]?.content ?? null })),
  ],
  [
    "a message that is said by another role",
    "message",
    (records) => changed(records, "message", (each) => ({ ...each, role: "system" })),
  ],
  [
    "a context of another session",
    "task_context",
    (records) =>
      changed(records, "task_context", (each, all) => ({
        ...each,
        context:
          all.find((other) => other.context_id !== each.context_id && other.version === each.version)?.context ?? null,
      })),
  ],
  [
    "an old version of a context played back as the newest",
    "task_context",
    (records) =>
      changed(records, "task_context", (each, all) => ({
        ...each,
        context: all.find((other) => other.context_id === each.context_id && other.version === 1)?.context ?? null,
      })),
  ],
  [
    "a state of another thread",
    "checkpoint",
    (records) =>
      changed(records, "checkpoint", (each, all) => ({
        ...each,
        data: all.find((other) => other.thread_id !== each.thread_id && other.seq === each.seq)?.data ?? null,
      })),
  ],
  [
    "an older state of the thread played back",
    "checkpoint",
    (records) =>
      changed(records, "checkpoint", (each, all) => ({
        ...each,
        data: all.find((other) => other.thread_id === each.thread_id && other.seq === 1)?.data ?? null,
      })),
  ],
  [
    "a state under another parent",
    "checkpoint",
    (records) => changed(records, "checkpoint", (each) => ({ ...each, parent_id: "elsewhere" })),
  ],
  [
    "a state with two of its pieces swapped",
    "checkpoint",
    (records) => changed(records, "checkpoint", (each) => withPieces(each, ([a, b, ...rest]) => [b, a, ...rest])),
  ],
  [
    "a state without its last piece",
    "checkpoint",
    (records) => changed(records, "checkpoint", (each) => withPieces(each, (pieces) => pieces.slice(0, -1))),
  ],
  [
    "a state with a piece of the state before",
    "checkpoint",
    (records) =>
      changed(records, "checkpoint", (each, all) => {
        const before = all.find((other) => other.thread_id === each.thread_id && other.seq === 1);
        const [, [foreign] = []] = (before?.data ?? []) as unknown as [string?, string[]?];
        return withPieces(each, ([, ...rest]) => [foreign, ...rest]);
      }),
  ],
  [
    "a write in the place of another one",
    "write",
    (records) => changed(records, "write", (each, all) => ({ ...each, value: all[0]?.value ?? null })),
  ],
  [
    "an item under another key",
    "item",
    (records) =>
      changed(records, "item", (each, all) => ({ ...each, value: all.find(({ key }) => key === "b")?.value ?? {} })),
  ],
];

function withPieces(
  record: Of<"checkpoint">,
  change: (pieces: readonly (string | undefined)[]) => readonly (string | undefined)[],
): Of<"checkpoint"> {
  const [head, pieces] = record.data as [string, string[]];
  return { ...record, data: [head, change(pieces).filter((piece) => piece !== undefined)] };
}

describe("encrypted content in another place", () => {
  it.each(CHANGES)("%s is CorruptionError, and no content is told", async (_name, reader, change) => {
    const { raw, storage } = await filled();
    const read = READERS[reader] as (typeof READERS)[string];
    await expect(read(storage)).resolves.toBeDefined();
    await replaceRecords(raw, change(await recordsOf(raw)));
    const error: Error & { code?: string } = await read(storage).then(
      (value) => {
        throw new Error(`it was read: ${JSON.stringify(value)}`);
      },
      (reason) => reason,
    );
    expect(error.code).toBe("CORRUPTION");
    expect(`${error.message} ${String(error.cause ?? "")}`).not.toContain("the word");
  });

  it("opens in its own place, whatever else was replaced", async () => {
    const { raw, storage } = await filled();
    await replaceRecords(raw, await recordsOf(raw));
    for (const read of Object.values(READERS)) await expect(read(storage)).resolves.toBeDefined();
    expect((await storage.getCheckpoint("a"))?.data).toEqual(long("a later"));
  });

  it("does not open in another tenant", async () => {
    const { raw, storage } = await filled();
    await raw.tenant("other").importRecords(await recordsOf(raw));
    for (const read of Object.values(READERS)) {
      await expect(read(storage.tenant("other"))).rejects.toMatchObject({ code: "CORRUPTION" });
    }
  });

  it("a thread that was copied behind the layer's back does not open, one that the layer has copied does", async () => {
    const { raw, storage } = await filled();
    await raw.copyThread("a", "stolen");
    await expect(storage.getCheckpoint("stolen")).rejects.toMatchObject({ code: "CORRUPTION" });
    await storage.copyThread("a", "copy");
    await storage.copyThread("copy", "again");
    await storage.deleteThread("a");
    for (const id of ["copy", "again"]) {
      expect((await storage.getCheckpoint(id, { writes: true }))?.data).toEqual(long("a later"));
      expect((await storage.getWrites(id, "c2")).map(({ value }) => value)).toEqual([SECRET, "another"]);
    }
    await storage.storeCheckpoint("copy", "c3", "its own");
    expect((await storage.getCheckpoint("copy"))?.data).toBe("its own");
  });

  it("a context that was shared behind the layer's back does not open, one that the layer has shared does", async () => {
    const { raw, storage, through } = await filled();
    for (const id of ["x", "y", "z"]) await storage.createSession(id, "u");
    await raw.shareTaskContext("a", "x");
    await expect(storage.getTaskContext("x")).rejects.toMatchObject({ code: "CORRUPTION" });
    await storage.shareTaskContext("a", "y");
    await storage.shareTaskContext("y", "z");
    await storage.storeTaskContext("z", "from z");
    for (const reader of [storage, through({})]) {
      for (const id of ["a", "y", "z"]) expect((await reader.getTaskContext(id))?.context).toBe("from z");
      expect((await reader.getTaskContext("z", { version: 2 }))?.context).toEqual({ context: `${SECRET} a 2` });
    }
  });

  it("plaintext is refused, or read where that is allowed", async () => {
    const { raw, storage, through } = storeWith();
    await raw.createSession("a", "u", { metadata: { plain: true } });
    await raw.addConversationMessage("a", "user", "in the clear");
    await raw.storeTaskContext("a", { plain: 1 });
    await raw.storeCheckpoint("a", "c2", { plain: 1 });
    await raw.putWrites("a", "c2", "task", [["one", 1]]);
    await raw.putItem(["n"], "a", { count: 1 });
    for (const read of Object.values(READERS)) {
      await expect(read(storage)).rejects.toMatchObject({
        code: "CORRUPTION",
        message: expect.stringMatching(/is not encrypted/),
      });
    }
    const reading = through({ plaintext: "read", metadata: true });
    expect((await reading.getConversationHistory("a"))[0]?.content).toBe("in the clear");
    expect((await reading.getTaskContext("a"))?.context).toEqual({ plain: 1 });
    expect((await reading.getCheckpoint("a", { writes: true }))?.writes?.[0]?.value).toBe(1);
    expect((await reading.getSession("a"))?.metadata).toEqual({ plain: true });
    expect((await reading.updateItem(["n"], "a", { increment: { count: 1 } })).value).toEqual({ count: 2 });
    expect(Object.keys((await raw.getItem(["n"], "a"))?.value ?? {})).toEqual(["wse"]);
  });

  it("content of a key that the ring does not have is UnsupportedError, of one with another secret CorruptionError", async () => {
    const { storage, through } = await filled();
    const without = through({ keys: ring("k2") });
    await expect(without.getCheckpoint("a")).rejects.toMatchObject({
      code: "UNSUPPORTED",
      operation: "getCheckpoint",
      message: expect.stringContaining('"k1"'),
    });
    const { ids } = ring("k1");
    const wrong = through({ keys: { current: "k1", ids, secret: () => Buffer.alloc(32, 7) } });
    for (const read of Object.values(READERS)) {
      await expect(read(wrong)).rejects.toMatchObject({ code: "CORRUPTION" });
      await expect(read(storage)).resolves.toBeDefined();
    }
  });
});
