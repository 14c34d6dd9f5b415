// An import that is stopped goes on when it is run again, and nothing that our store has by itself is touched.
import type { Checkpoint, CheckpointMetadata, CheckpointTuple } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { type ImportFinding, importLangGraph, WaystoneSaver } from "../../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { DATABASES, type OfficialDatabase, sqliteDatabase } from "./official-databases.js";
import { makeApplication } from "./official-graphs.js";

const at = (thread_id: string) => ({ configurable: { thread_id } });

/** All that a storage has, without instants of storing. */
async function contentsOf(storage: StorageBackend): Promise<object[]> {
  const records: object[] = [];
  for await (const record of storage.exportRecords()) {
    const { created_at, updated_at, ...rest } = record as { created_at?: string; updated_at?: string };
    records.push(rest);
  }
  return records;
}

/** Imports until so many checkpoints are done, then stops as Ctrl-C does. */
async function importPartly(theirs: OfficialDatabase, storage: StorageBackend, after: number): Promise<unknown> {
  const controller = new AbortController();
  const stopped = importLangGraph(theirs.url, storage, {
    signal: controller.signal,
    onProgress: ({ checkpoints }) => checkpoints >= after && controller.abort("enough"),
  });
  return stopped.catch((error: unknown) => error);
}

describe.each(DATABASES)("an import from a %s that is stopped", (_name, makeDatabase) => {
  it("goes on where it was, also when that happens again and again", async () => {
    const theirs = await makeDatabase();
    const [whole, stopped] = [memoryStorage(), memoryStorage()];
    await importLangGraph(theirs.url, whole);
    for (const after of [1, 3, 7, 20]) {
      expect(await importPartly(theirs, stopped, after)).toMatchObject({ code: "ABORTED", cause: "enough" });
    }
    const rest = await importLangGraph(theirs.url, stopped);
    expect(rest.imported.checkpoints).toBeGreaterThan(0);
    expect(rest.present.checkpoints).toBeGreaterThan(0);
    expect(rest.imported.checkpoints + rest.present.checkpoints).toBe(rest.read.checkpoints);
    expect(rest.verified).toEqual(rest.read);
    expect(Object.values(rest.findings).every((each) => each === 0)).toBe(true);
    const order = (records: object[]): object[] =>
      records.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    expect(order(await contentsOf(stopped))).toEqual(order(await contentsOf(whole)));
  });

  it("takes what their application has written since", async () => {
    const theirs = await makeDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage);
    const app = makeApplication(theirs.saver);
    await app.chat.invoke({ messages: [{ role: "user", content: "more" }] }, at("chat-1"));
    await app.failing.invoke(null, at("failing-1")).catch(() => undefined);
    const report = await importLangGraph(theirs.url, storage);
    expect(report.imported.checkpoints).toBe(3);
    expect(report.imported.writes).toBeGreaterThan(0);
    expect(report.verified).toEqual(report.read);
    const ours = await new WaystoneSaver(storage).getTuple(at("chat-1"));
    expect(ours?.checkpoint.id).toBe((await theirs.saver.getTuple(at("chat-1")))?.checkpoint.id);
  });

  it("takes writes that have replaced others since: another error of a task that failed again", async () => {
    const theirs = await makeDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage);
    const table = theirs.url.startsWith("sqlite:") ? "writes SET value" : "checkpoint_writes SET blob";
    await theirs.sql(
      `UPDATE ${table} = '{"message":"another"}' WHERE thread_id = 'failing-1' AND channel = '__error__'`,
    );
    const report = await importLangGraph(theirs.url, storage);
    expect(report.imported).toEqual({ checkpoints: 0, writes: 1 });
    const ours = await new WaystoneSaver(storage).getTuple(at("failing-1"));
    expect(ours?.pendingWrites?.find(([, channel]) => channel === "__error__")?.[2]).toEqual({ message: "another" });
  });
});

describe("a thread that is not the same any more in our store", () => {
  async function importAgain(theirs: OfficialDatabase, storage: StorageBackend): Promise<ImportFinding[]> {
    const found: ImportFinding[] = [];
    const before = await storage.listCheckpoints("chat-1", { limit: 1 });
    const report = await importLangGraph(theirs.url, storage, { onFinding: (finding) => found.push(finding) });
    expect(report.imported).toEqual({ checkpoints: 0, writes: 0 });
    expect(await storage.listCheckpoints("chat-1", { limit: 1 })).toEqual(before);
    return found;
  }

  it("has gone on: its latest stays its latest, and what is new in theirs is told", async () => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage);
    await makeApplication(new WaystoneSaver(storage)).chat.invoke({ messages: [] }, at("chat-1"));
    expect(await importAgain(theirs, storage)).toEqual([]);
    await makeApplication(theirs.saver).chat.invoke({ messages: [] }, at("chat-1"));
    const found = await importAgain(theirs, storage);
    expect(found.map(({ kind, threadId, imported }) => ({ kind, threadId, imported }))).toEqual(
      Array.from({ length: 3 }, () => ({ kind: "diverged", threadId: "chat-1", imported: false })),
    );
  });

  it("was pruned: what is gone stays gone", async () => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage);
    const { removedCheckpoints } = await storage.pruneCheckpoints({ threadId: "chat-1", keepLast: 2 });
    expect(removedCheckpoints).toBeGreaterThan(5);
    const found = await importAgain(theirs, storage);
    expect(found).toHaveLength(removedCheckpoints);
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["removed"]));
  });

  it("holds another state under an id of theirs: it stays, and the verification tells the difference", async () => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage);
    await theirs.sql(
      `UPDATE checkpoints SET checkpoint = replace(CAST(checkpoint AS TEXT), 'answer 1', 'answer I') WHERE thread_id = 'chat:1'`,
    );
    const found = await importAgain(theirs, storage);
    expect(found.map(({ kind, threadId, part }) => ({ kind, threadId, part }))).toEqual([
      { kind: "difference", threadId: "chat:1", part: 'channel "messages"' },
    ]);
  });
});

describe("the verification", () => {
  type Change = (tuple: CheckpointTuple) => {
    readonly parent?: string;
    readonly checkpoint?: Partial<Checkpoint>;
    readonly metadata?: object;
  };
  const faults: readonly (readonly [name: string, change: Change, part: string])[] = [
    ["another value", () => ({ checkpoint: { channel_values: { messages: [] } } }), 'channel "messages"'],
    ["a lost value", () => ({ checkpoint: { channel_values: {} } }), 'channel "messages"'],
    ["another time", () => ({ checkpoint: { ts: "2020-01-01T00:00:00.000Z" } }), "checkpoint"],
    ["another version", () => ({ checkpoint: { channel_versions: { messages: 99 } } }), "checkpoint"],
    ["other metadata", () => ({ metadata: { step: 99 } }), "metadata"],
    ["another parent", () => ({ parent: "1f000000-0000-6000-8000-000000000000" }), "parent"],
  ];

  it.each(faults)("tells %s", async (_name, change, part) => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage, { verify: false });
    const saver = new WaystoneSaver(storage);
    const tuple = await saver.getTuple(at("chat:1"));
    if (tuple === undefined) throw new Error("the thread was not imported");
    const { parent, checkpoint, metadata } = change(tuple);
    const parentId = parent ?? tuple.parentConfig?.configurable?.checkpoint_id;
    const changed = { ...tuple.checkpoint, ...checkpoint };
    const config = { configurable: { thread_id: "chat:1", checkpoint_ns: "", checkpoint_id: parentId } };
    const meta = { ...tuple.metadata, ...metadata } as CheckpointMetadata;
    await saver.put(config, changed, meta, changed.channel_versions);
    const found: ImportFinding[] = [];
    await importLangGraph(theirs.url, storage, { onFinding: (finding) => found.push(finding) });
    expect(found.map(({ kind, checkpointId, ...rest }) => ({ kind, checkpointId, part: rest.part }))).toContainEqual({
      kind: "difference",
      checkpointId: tuple.checkpoint.id,
      part,
    });
    const silent = await importLangGraph(theirs.url, storage, { verify: false });
    expect(silent.findings.difference).toBe(0);
  });

  it("tells another value of a write", async () => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage, { verify: false });
    const [newest, before] = await storage.listCheckpoints("chat:1", { writes: true });
    const [write] = before?.writes ?? [];
    if (write === undefined || newest === undefined || before === undefined) throw new Error("there is no write");
    const input = [write.channel, "another", write.index] as const;
    await storage.putWrites("chat:1", before.checkpointId, write.taskId, [input], { overwrite: true });
    const { findings } = await importLangGraph(theirs.url, storage);
    expect(findings.difference).toBe(1);
  });

  it("tells another order", async () => {
    const theirs = await sqliteDatabase();
    const storage = memoryStorage();
    const saver = new WaystoneSaver(storage);
    // Newest first, as they are listed.
    for await (const { checkpoint, metadata, parentConfig } of theirs.saver.list(at("chat:1"))) {
      const parentId = parentConfig?.configurable?.checkpoint_id;
      const config = { configurable: { thread_id: "chat:1", checkpoint_ns: "", checkpoint_id: parentId } };
      await saver.put(config, checkpoint, metadata as CheckpointMetadata, checkpoint.channel_versions);
    }
    const reasons: string[] = [];
    await importLangGraph(theirs.url, storage, {
      threadIds: ["chat:1"],
      onFinding: ({ reason }) => reasons.push(reason),
    });
    expect(reasons).toContain("it stands in another order in our store");
  });
});
