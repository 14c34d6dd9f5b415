// Damaged databases: every damaged record is told by thread, checkpoint and part, and all others come over.
import { AIMessage } from "@langchain/core/messages";
import { Annotation, START, StateGraph } from "@langchain/langgraph";
import type { BaseCheckpointSaver, SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type ImportFinding,
  type ImportLangGraphOptions,
  type ImportLangGraphReport,
  importLangGraph,
  WaystoneSaver,
} from "../../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { freshDatabase } from "../../../support/shared-postgres.js";
import { DATABASES, postgresDatabase, sqliteDatabase, temporaryFolder } from "./official-databases.js";

/** Imports and lists what was told, without the words. */
async function importTelling(
  url: string,
  options: ImportLangGraphOptions = {},
): Promise<{ told: object[]; reasons: string[]; report: ImportLangGraphReport; storage: StorageBackend }> {
  const found: ImportFinding[] = [];
  const storage = memoryStorage();
  const report = await importLangGraph(url, storage, { ...options, onFinding: (finding) => found.push(finding) });
  const counted = Object.values(report.findings).reduce((sum, each) => sum + each, 0);
  expect(counted).toBe(found.length);
  return {
    told: found.map(({ reason, ...rest }) => rest),
    reasons: found.map(({ reason }) => reason),
    report,
    storage,
  };
}

/** Ids of the checkpoints of a thread's root, oldest first. */
async function idsOf(saver: BaseCheckpointSaver, thread_id: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { checkpoint } of saver.list({ configurable: { thread_id, checkpoint_ns: "" } }))
    ids.unshift(checkpoint.id);
  return ids;
}

const whole = (threadId: string, checkpointId: string | undefined) => ({ threadId, namespace: "", checkpointId });

describe("a damaged file of a SqliteSaver", () => {
  it.each([
    ["is cut off", "checkpoint = substr(checkpoint, 1, length(checkpoint) / 2)", "checkpoint"],
    ["is no JSON", "checkpoint = 'no JSON at all'", "checkpoint"],
    ["is no UTF-8", "checkpoint = x'ff22'", "checkpoint"],
    ["is JSON of something else", "checkpoint = '[1, 2]'", "checkpoint"],
    ["is one of another id", `checkpoint = replace(CAST(checkpoint AS TEXT), '"id":"', '"id":"other')`, "checkpoint"],
    ["is not there", "checkpoint = NULL", "checkpoint"],
    [
      "is nested deeper than any reader can follow",
      "checkpoint = replace(hex(zeroblob(50000)), '00', '[')",
      "checkpoint",
    ],
    ["has metadata that are no object", "metadata = '3'", "metadata"],
    ["has metadata that are cut off", "metadata = '{'", "metadata"],
  ])("whose checkpoint %s", async (_what, change, part) => {
    const theirs = await sqliteDatabase();
    const [, , third] = await idsOf(theirs.saver, "chat-1");
    await theirs.sql(`UPDATE checkpoints SET ${change} WHERE checkpoint_id = '${third}'`);
    const { told, report } = await importTelling(theirs.url);
    expect(told).toEqual([{ ...whole("chat-1", third), kind: "undecodable", part, imported: false }]);
    expect(report.imported).toEqual({ ...report.read, checkpoints: report.read.checkpoints - 1 });
    expect(report.verified?.checkpoints).toBe(report.imported.checkpoints);
  });

  it("whose checkpoint and write have a form that nobody knows", async () => {
    const theirs = await sqliteDatabase();
    const [, second] = await idsOf(theirs.saver, "chat-1");
    await theirs.sql(`UPDATE checkpoints SET type = 'mystery' WHERE checkpoint_id = '${second}'`);
    await theirs.sql(`UPDATE writes SET type = 'mystery' WHERE checkpoint_id = '${second}' AND idx = 0`);
    const { told, reasons, report } = await importTelling(theirs.url);
    expect(told).toEqual([
      { ...whole("chat-1", second), kind: "undecodable", part: "checkpoint", imported: false },
      { ...whole("chat-1", second), kind: "undecodable", part: "metadata", imported: false },
      {
        ...whole("chat-1", second),
        kind: "undecodable",
        part: expect.stringMatching(/^write 0 of task "/),
        imported: false,
      },
    ]);
    expect(reasons).toContain('it has the form "mystery", which is not known');
    expect(report.imported.writes).toBe(report.read.writes - 1);
  });

  it("from which a checkpoint was deleted by hand: its writes wait, its child has no parent", async () => {
    const theirs = await sqliteDatabase();
    const [first, second] = await idsOf(theirs.saver, "chat:1");
    await theirs.sql(`DELETE FROM checkpoints WHERE checkpoint_id = '${first}'`);
    const { told, report, storage } = await importTelling(theirs.url);
    expect(told).toEqual([
      { ...whole("chat:1", second), kind: "missing-parent", part: "checkpoint", imported: true },
      { ...whole("chat:1", first), kind: "orphan-writes", part: "writes", imported: true },
    ]);
    expect(report.imported).toEqual(report.read);
    expect(report.verified).toEqual(report.read);
    expect(await storage.getWrites("chat:1", first ?? "")).not.toEqual([]);
  });

  it("with ids that our store does not take", async () => {
    const theirs = await sqliteDatabase();
    const long = "x".repeat(600);
    await theirs.sql(`UPDATE checkpoints SET thread_id = '${long}' WHERE thread_id = 'chat:1'`);
    await theirs.sql(`UPDATE writes SET thread_id = '${long}' WHERE thread_id = 'chat:1'`);
    await theirs.sql(
      `UPDATE writes SET task_id = task_id || '${long}' WHERE thread_id = 'fan-1' AND channel = 'seen' AND idx = 0`,
    );
    const { told, report } = await importTelling(theirs.url);
    expect(new Set(told.map((each) => (each as ImportFinding).threadId))).toEqual(new Set([long, "fan-1"]));
    expect(report.findings.refused).toBe(told.length);
    expect(report.findings.difference).toBe(0);
    expect(report.imported.checkpoints).toBe(report.read.checkpoints - 3);
  });
});

describe("a damaged database of a PostgresSaver", () => {
  it.each([
    ["is cut off", "UPDATE checkpoint_blobs SET blob = substring(blob FROM 1 FOR length(blob) / 2)", "undecodable"],
    ["is no JSON", "UPDATE checkpoint_blobs SET blob = 'no JSON at all'", "undecodable"],
    ["has a form that nobody knows", "UPDATE checkpoint_blobs SET type = 'mystery'", "undecodable"],
    ["has no data", "UPDATE checkpoint_blobs SET blob = NULL", "undecodable"],
    ["is not there", "DELETE FROM checkpoint_blobs", "missing-value"],
  ])("in which the value of a channel %s", async (_what, change, kind) => {
    const theirs = await postgresDatabase();
    const ids = await idsOf(theirs.saver, "chat:1");
    await theirs.sql(`${change} WHERE thread_id = 'chat:1' AND channel = 'messages' AND version = (
      SELECT checkpoint -> 'channel_versions' ->> 'messages' FROM checkpoints WHERE checkpoint_id = '${ids[2]}')`);
    const { told, report, storage } = await importTelling(theirs.url);
    expect(told).toEqual([{ ...whole("chat:1", ids[2]), kind, part: 'channel "messages"', imported: false }]);
    expect(report.imported).toEqual(report.read);
    const tuple = await new WaystoneSaver(storage).getTuple({ configurable: { thread_id: "chat:1" } });
    expect(tuple?.checkpoint.id).toBe(ids[2]);
    expect(Object.keys(tuple?.checkpoint.channel_values ?? {})).not.toContain("messages");
  });

  it("with a write that is no JSON, and a checkpoint that is none", async () => {
    const theirs = await postgresDatabase();
    const [first, second] = await idsOf(theirs.saver, "chat:1");
    await theirs.sql(`UPDATE checkpoint_writes SET blob = '{' WHERE checkpoint_id = '${first}' AND idx = 0`);
    await theirs.sql(`UPDATE checkpoints SET checkpoint = '{"channel_versions": 3}' WHERE checkpoint_id = '${second}'`);
    const { told, report } = await importTelling(theirs.url);
    expect(told).toEqual([
      {
        ...whole("chat:1", first),
        kind: "undecodable",
        part: expect.stringMatching(/^write 0 of task "/),
        imported: false,
      },
      { ...whole("chat:1", second), kind: "undecodable", part: "checkpoint", imported: false },
    ]);
    expect(report.imported).toEqual({ checkpoints: report.read.checkpoints - 1, writes: report.read.writes - 1 });
  });
});

describe.each(DATABASES)("what the serialiser of a %s cannot write", (name, makeDatabase) => {
  /** Runs a graph that has a value in its state. */
  async function keep(saver: BaseCheckpointSaver, thread_id: string, value: unknown): Promise<void> {
    const State = Annotation.Root({ value: Annotation<unknown> });
    const graph = new StateGraph(State)
      .addNode("set", () => ({ value }))
      .addEdge(START, "set")
      .compile({ checkpointer: saver });
    await graph.invoke({ value: "first" }, { configurable: { thread_id } });
  }

  it("is told: a bigint, a circle, a Buffer, a class, a text that names one", async () => {
    const theirs = await makeDatabase();
    const circle: { self?: unknown } = {};
    circle.self = circle;
    await keep(theirs.saver, "bigint", { count: 1n });
    await keep(theirs.saver, "circle", { circle });
    await keep(theirs.saver, "buffer", { bytes: Buffer.from("abc") });
    await keep(theirs.saver, "class", { lc: 1, type: "constructor", id: ["evil", "Loader"], kwargs: {} });
    const { report, reasons, storage } = await importTelling(theirs.url, {
      threadIds: ["bigint", "circle", "buffer", "class"],
    });
    // Each value stands in one checkpoint and one write; SqliteSaver loses the whole checkpoint with a bigint.
    const lost = name === "SqliteSaver" ? 1 : 0;
    expect(report.findings).toMatchObject({ undecodable: lost, mangled: 6 - lost, "unknown-class": 2, difference: 0 });
    expect(report.imported).toEqual({ ...report.read, checkpoints: report.read.checkpoints - lost });
    expect(new Set(reasons)).toEqual(
      new Set([
        "the serialiser could not write the value and wrote a text about that",
        "the serialiser wrote [Circular] for an object that holds itself",
        "the serialiser wrote a Buffer as a list of numbers",
        'an object that names the class "evil.Loader" stays plain data',
      ]),
    );
    // Their reader gives the whole thread up here.
    const tuple = await new WaystoneSaver(storage).getTuple({ configurable: { thread_id: "class" } });
    expect(tuple?.checkpoint.channel_values.value).toEqual({
      lc: 1,
      type: "constructor",
      id: ["evil", "Loader"],
      kwargs: {},
    });
    await expect(theirs.saver.getTuple({ configurable: { thread_id: "class" } })).rejects.toThrow();
  });
});

describe("threads that a serialiser of the application wrote", () => {
  /** Turns every byte around, as a poor cipher. */
  const serde: SerializerProtocol = {
    dumpsTyped: async (value) => ["turned", turned(new TextEncoder().encode(JSON.stringify(value)))],
    loadsTyped: async (type, data) => {
      if (type !== "turned") throw new Error(`not of this serialiser: ${JSON.stringify(data)}`);
      return JSON.parse(new TextDecoder().decode(turned(data as Uint8Array)));
    },
  };
  const turned = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 255);

  it("are read with it, and every value is undecodable without it", async () => {
    const path = `${temporaryFolder()}/turned.db`;
    const theirs = new SqliteSaver(SqliteSaver.fromConnString(path).db, serde);
    onTestFinished(() => void theirs.db.close());
    await run(theirs);
    const { told, storage } = await importTelling(`sqlite:${path}`, { serde });
    expect(told).toEqual([]);
    expect(await logOf(new WaystoneSaver(storage))).toEqual(["a"]);
    const without = await importTelling(`sqlite:${path}`);
    expect(without.report.imported).toEqual({ checkpoints: 0, writes: 0 });
    expect(without.report.findings.undecodable).toBe(2 * without.report.read.checkpoints + without.report.read.writes);
  });

  it("come over into a saver that has it too", async () => {
    const url = await freshDatabase();
    // Metadata must be JSON for PostgresSaver, whatever the serialiser.
    const json: SerializerProtocol = {
      dumpsTyped: async (value) => ["turned", new TextEncoder().encode(JSON.stringify(value))],
      loadsTyped: async (_type, data) => JSON.parse(new TextDecoder().decode(data as Uint8Array)),
    };
    const pool = PostgresSaver.fromConnString(url) as unknown as {
      readonly pool: ConstructorParameters<typeof PostgresSaver>[0];
    };
    const theirs = new PostgresSaver(pool.pool, json);
    onTestFinished(() => theirs.end());
    await theirs.setup();
    await run(theirs);
    const { told, storage } = await importTelling(url, { serde: json, saver: { serde } });
    expect(told).toEqual([]);
    expect(await logOf(new WaystoneSaver(storage, { serde }))).toEqual(["a"]);
  });

  const Log = Annotation.Root({ log: Annotation<string[]> });

  async function run(saver: BaseCheckpointSaver): Promise<void> {
    const graph = new StateGraph(Log)
      .addNode("a", () => ({ log: ["a"] }))
      .addEdge(START, "a")
      .compile({ checkpointer: saver });
    await graph.invoke({ log: [] }, { configurable: { thread_id: "t" } });
  }

  async function logOf(saver: WaystoneSaver): Promise<unknown> {
    return (await saver.getTuple({ configurable: { thread_id: "t" } }))?.checkpoint.channel_values.log;
  }
});

it("messages of a class outside the table stay plain data, and that is told", async () => {
  const theirs = await sqliteDatabase();
  await theirs.sql(
    `UPDATE checkpoints SET checkpoint = CAST(replace(CAST(checkpoint AS TEXT), '"AIMessage"', '"OddMessage"') AS BLOB) WHERE thread_id = 'chat:1'`,
  );
  const { report, reasons } = await importTelling(theirs.url, { threadIds: ["chat:1"] });
  expect(report.findings).toMatchObject({ "unknown-class": 1, difference: 0 });
  expect(reasons).toEqual(['an object that names the class "langchain_core.messages.OddMessage" stays plain data']);
  expect(AIMessage.lc_name()).toBe("AIMessage");
});
