// Threads of the official savers go on over ours: states, history, pending writes and interrupts are those that were there.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Command, type StateSnapshot } from "@langchain/langgraph";
import type { BaseCheckpointSaver, CheckpointTuple } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { importLangGraph, openLangGraph } from "../../../../src/adapters/langgraph/index.js";
import { ValueCodec } from "../../../../src/adapters/langgraph/value-codec.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import { sqliteStorage } from "../../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { memorySaver } from "../storages.js";
import { DATABASES, postgresDatabase, sqliteDatabase, temporaryFolder } from "./official-databases.js";
import { type Application, makeApplication, THREADS } from "./official-graphs.js";

const at = (thread_id: string) => ({ configurable: { thread_id } });

const TARGETS: readonly (readonly [name: string, open: () => StorageBackend])[] = [
  ["memory", () => memoryStorage()],
  ["SQLite", () => sqliteStorage(`${temporaryFolder()}/ours.db`)],
];

describe.each(DATABASES)("threads of %s", (name, makeDatabase) => {
  it("have the same states, the same history and the same latest, in every namespace", async () => {
    const theirs = await makeDatabase();
    const { saver, storage } = memorySaver();
    const report = await importLangGraph(theirs.url, storage);
    expect(report.findings.difference).toBe(0);
    const [before, after] = [makeApplication(theirs.saver), makeApplication(saver)];
    for (const [thread, graph] of Object.entries(THREADS)) {
      expect(await statesOf(after, graph, thread)).toEqual(await statesOf(before, graph, thread));
      expect(await tuplesOf(saver, thread)).toEqual(await tuplesOf(theirs.saver, thread));
      for (const namespace of await namespacesOf(theirs.saver, thread)) {
        const config = { configurable: { thread_id: thread, checkpoint_ns: namespace } };
        const [ours, their] = await Promise.all([saver.getTuple(config), theirs.saver.getTuple(config)]);
        expect(ours?.checkpoint.id).toBe(their?.checkpoint.id);
      }
    }
  });

  it("go on where they were: open interrupts are answered, failed tasks run again, chats continue", async () => {
    const theirs = await makeDatabase();
    const { saver, storage } = memorySaver();
    await importLangGraph(theirs.url, storage);
    const [before, after] = [makeApplication(theirs.saver), makeApplication(saver)];
    const results = async (app: Application): Promise<unknown[]> => [
      plain(await app.approval.invoke(new Command({ resume: "no" }), at("approval-open"))),
      plain(await app.nested.invoke(new Command({ resume: "on" }), at("nested-1"))),
      plain(await app.fan.invoke({ items: ["d"] }, at("fan-1"))),
      await app.failing.invoke(null, at("failing-1")).catch((error: Error) => error.message),
      messagesOf(await app.chat.invoke({ messages: [{ role: "user", content: "still there?" }] }, at("chat-1"))),
    ];
    expect(await results(after)).toEqual(await results(before));
  });

  it.each(TARGETS)("come over to %s once, however often they are imported", async (_target, open) => {
    const theirs = await makeDatabase();
    await using storage = open();
    const first = await importLangGraph(theirs.url, storage);
    const threads = await storage.listThreads({ orderBy: "createdAt" });
    expect(threads.items.map(({ threadId }) => threadId).sort()).toEqual(Object.keys(THREADS).sort());
    expect(first).toMatchObject({ threads: threads.items.length, present: { checkpoints: 0, writes: 0 } });
    expect(first.imported).toEqual(first.read);
    expect(first.verified).toEqual(first.read);
    expect(Object.values(first.findings).every((each) => each === 0)).toBe(true);
    const again = await importLangGraph(theirs.url, storage);
    expect(again).toMatchObject({ imported: { checkpoints: 0, writes: 0 }, present: first.read, verified: first.read });
    expect(await storage.listThreads({ orderBy: "createdAt" })).toEqual(threads);
  });

  it("are chosen by their ids", async () => {
    const theirs = await makeDatabase();
    const storage = memoryStorage();
    const report = await importLangGraph(theirs.url, storage, { threadIds: ["chat:1", "fan-1", "fan-1"] });
    expect(report.threads).toBe(2);
    const { items } = await storage.listThreads();
    expect(items.map(({ threadId }) => threadId).sort()).toEqual(["chat:1", "fan-1"]);
    const absent = importLangGraph(theirs.url, storage, { threadIds: ["chat"] });
    await expect(absent).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining('"chat"'),
    });
  });

  it("are read and counted by a dry run, which does not touch the storage", async () => {
    const theirs = await makeDatabase();
    const storage = memoryStorage();
    await storage.close();
    const planned = await importLangGraph(theirs.url, storage, { dryRun: true });
    expect(planned).toMatchObject({ dryRun: true, imported: planned.read });
    expect(planned.read.checkpoints).toBeGreaterThan(30);
    expect(planned.sourceBytes).toBeGreaterThan(10_000);
    expect(planned.verified).toBeUndefined();
  });

  it("are those of the moment when their database was opened, whatever is written meanwhile", async () => {
    const theirs = await makeDatabase();
    await using source = await openLangGraph(theirs.url);
    const before = await importLangGraph(source, memoryStorage(), { dryRun: true });
    await makeApplication(theirs.saver).chat.invoke({ messages: [{ role: "user", content: "late" }] }, at("chat-1"));
    const storage = memoryStorage();
    const report = await importLangGraph(source, storage);
    expect({ read: report.read, verified: report.verified }).toEqual({ read: before.read, verified: before.read });
    const later = await importLangGraph(theirs.url, storage);
    expect(later.imported.checkpoints).toBe(3);
    expect(later.findings).toEqual(before.findings);
  });

  it(`tell how far the import of a ${name} is`, async () => {
    const theirs = await makeDatabase();
    const seen: string[] = [];
    const report = await importLangGraph(theirs.url, memoryStorage(), {
      onProgress: ({ phase, checkpoints, totalCheckpoints }) =>
        seen.push(`${phase} ${checkpoints}/${totalCheckpoints}`),
    });
    const all = report.read.checkpoints;
    const phase = (of: string): string[] => Array.from({ length: all }, (_, at) => `${of} ${at + 1}/${all}`);
    expect(seen).toEqual([...phase("import"), ...phase("verify")]);
  });
});

it("the file of a SqliteSaver stays as it is, also with nothing new beside it", async () => {
  const theirs = await sqliteDatabase();
  await theirs.close();
  const folder = dirname(theirs.path);
  const look = (): unknown =>
    readdirSync(folder).map((file) => [
      file,
      createHash("sha256")
        .update(readFileSync(`${folder}/${file}`))
        .digest("hex"),
    ]);
  const before = look();
  const report = await importLangGraph(theirs.url, memoryStorage());
  expect(report.read.checkpoints).toBeGreaterThan(30);
  expect(look()).toEqual(before);
});

it("threads of a PostgresSaver come from the schema that is named", async () => {
  const theirs = await postgresDatabase("own Schema");
  const report = await importLangGraph(theirs.url, memoryStorage(), { schema: "own Schema" });
  expect(report.threads).toBe(Object.keys(THREADS).length);
  await expect(importLangGraph(theirs.url, memoryStorage())).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

it("bytes among the writes of a SqliteSaver come over whole, which its own reader damages", async () => {
  const theirs = await sqliteDatabase();
  const { saver, storage } = memorySaver();
  await importLangGraph(theirs.url, storage);
  const bytesIn = async (from: BaseCheckpointSaver): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const { pendingWrites = [] } of from.list(at("fan-1"))) {
      found.push(...pendingWrites.flatMap(([, , value]) => (value instanceof Uint8Array ? [value] : [])));
    }
    return found;
  };
  expect(await bytesIn(saver)).toEqual([new Uint8Array([255, 254, 0])]);
  expect(await bytesIn(theirs.saver)).not.toEqual([new Uint8Array([255, 254, 0])]);
});

/** Every state of the thread, newest first, as the graph gives it. */
async function statesOf(app: Application, graph: keyof Application, thread: string): Promise<unknown[]> {
  const states: StateSnapshot[] = [await app[graph].getState(at(thread), { subgraphs: true })];
  for await (const state of app[graph].getStateHistory(at(thread))) states.push(state);
  return states.map(plain);
}

/** Every checkpoint of the thread with its writes: in all namespaces, newest first, the writes of a checkpoint in one order. */
async function tuplesOf(saver: BaseCheckpointSaver, thread: string): Promise<unknown[]> {
  const tuples: CheckpointTuple[] = [];
  for await (const tuple of saver.list(at(thread))) tuples.push(tuple);
  return tuples.map(({ pendingWrites = [], ...tuple }) => ({
    ...(plain(tuple) as object),
    writes: pendingWrites
      .map(([task, channel, value]) => [task, channel, plain(value)])
      .sort((a, b) => (JSON.stringify(a.slice(0, 2)) < JSON.stringify(b.slice(0, 2)) ? -1 : 1)),
  }));
}

async function namespacesOf(saver: BaseCheckpointSaver, thread: string): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { config } of saver.list(at(thread))) found.add(config.configurable?.checkpoint_ns);
  return found;
}

/**
 * Values as data, so that messages are compared by what they hold. Bytes are compared by another test: the readers of both official
 * savers give them in another form than they were stored.
 */
function plain(value: unknown): unknown {
  return withoutBytes(new ValueCodec([]).encode(value));
}

function withoutBytes(data: unknown): unknown {
  if (data instanceof Uint8Array) return "bytes";
  if (Array.isArray(data)) return data.map(withoutBytes);
  if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype) return data;
  return Object.fromEntries(Object.entries(data).map(([key, item]) => [key, withoutBytes(item)]));
}

/** Contents alone: ids of new messages are random. */
function messagesOf(state: unknown): unknown[] {
  return (state as { messages: { content: unknown }[] }).messages.map(({ content }) => content);
}
