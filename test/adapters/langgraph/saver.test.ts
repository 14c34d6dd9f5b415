// What the saver does beyond the official suite: order, filters, ownership, retention, deletion, the history of delta channels.
import { HumanMessage } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import { Annotation, DeltaChannel, START, StateGraph } from "@langchain/langgraph";
import { type CheckpointMetadata, emptyCheckpoint, TASKS, uuid6 } from "@langchain/langgraph-checkpoint";
import { describe, expect, it, vi } from "vitest";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import { memorySaver, STORAGES } from "./storages.js";

const METADATA: CheckpointMetadata = { source: "loop", step: 0, parents: {} };

function at(thread: string, more: Record<string, unknown> = {}) {
  return { configurable: { thread_id: thread, ...more } };
}

function checkpoint(id: string, values: Record<string, unknown> = {}) {
  const versions = Object.fromEntries(Object.keys(values).map((name) => [name, 1]));
  return { ...emptyCheckpoint(), id, channel_values: values, channel_versions: versions };
}

async function idsOf(saver: WaystoneSaver, ...args: Parameters<WaystoneSaver["list"]>): Promise<string[]> {
  const ids: string[] = [];
  for await (const tuple of saver.list(...args)) ids.push(tuple.checkpoint.id);
  return ids;
}

describe("what is latest", () => {
  it("is what was stored last, whatever the ids say", async () => {
    const { saver } = memorySaver();
    await saver.put(at("t"), checkpoint("b"), METADATA, {});
    await saver.put(at("t", { checkpoint_id: "b" }), checkpoint("a"), METADATA, {});
    expect((await saver.getTuple(at("t")))?.checkpoint.id).toBe("a");
    expect(await idsOf(saver, at("t"))).toEqual(["a", "b"]);
  });

  it("does not change when an older one is stored again", async () => {
    const { saver } = memorySaver();
    for (const id of ["a", "b", "a"]) await saver.put(at("t"), checkpoint(id), { ...METADATA, step: 1 }, {});
    expect(await idsOf(saver, at("t"))).toEqual(["b", "a"]);
  });
});

describe("a config", () => {
  it("may name a checkpoint by thread_ts", async () => {
    const { saver } = memorySaver();
    for (const id of ["a", "b"]) await saver.put(at("t"), checkpoint(id), METADATA, {});
    expect((await saver.getTuple(at("t", { thread_ts: "a" })))?.checkpoint.id).toBe("a");
  });

  it("without a thread reads nothing", async () => {
    expect(await memorySaver().saver.getTuple({})).toBeUndefined();
  });

  it("is refused when an id is no string", async () => {
    const { saver } = memorySaver();
    await expect(saver.getTuple(at("t", { thread_id: 1 }))).rejects.toThrow("thread_id must be a string");
    await expect(saver.putWrites(at("t"), [["a", 1]], "task")).rejects.toThrow("checkpoint_id is missing");
  });

  it("with a session links the thread to it", async () => {
    const { saver, storage } = memorySaver();
    await storage.createSession("s", "ada");
    await saver.put(at("t", { session_id: "s" }), checkpoint("a"), METADATA, {});
    expect((await saver.listThreads({ sessionId: "s" })).items.map(({ threadId }) => threadId)).toEqual(["t"]);
    await storage.deleteSession("s");
    expect(await saver.getTuple(at("t"))).toBeUndefined();
  });
});

describe("the config of a run", () => {
  it("reaches every checkpoint that the run stores: session and run id", async () => {
    const { saver, storage } = memorySaver();
    await storage.createSession("s", "ada");
    const graph = new StateGraph(Annotation.Root({ n: Annotation<number> }))
      .addNode("add", ({ n }) => ({ n: n + 1 }))
      .addEdge(START, "add")
      .compile({ checkpointer: saver });
    await graph.invoke({ n: 1 }, at("t", { session_id: "s", run_id: "r1" }));
    await graph.invoke({ n: 5 }, at("t", { session_id: "s", run_id: "r2" }));
    const stored = await storage.listCheckpoints("t");
    expect(stored.map(({ metadata }) => metadata.run_id)).toEqual(["r2", "r2", "r2", "r1", "r1", "r1"]);
    expect(stored.every(({ sessionId }) => sessionId === "s")).toBe(true);
    expect(await idsOf(saver, at("t"), { filter: { run_id: "r1" } })).toHaveLength(3);
    await saver.deleteForRuns(["r2"]);
    expect((await graph.getState(at("t"))).values).toEqual({ n: 2 });
  });
});

describe("list", () => {
  it("takes any values in a filter, and none with limit 0", async () => {
    const { saver } = memorySaver();
    const user = { id: 7, tags: ["x"] };
    await saver.put(at("t"), checkpoint("a"), { ...METADATA, user, long: "x".repeat(1000) } as CheckpointMetadata, {});
    await saver.put(at("t"), checkpoint("b"), { ...METADATA, when: new Date(5), none: null } as CheckpointMetadata, {});
    const filtered = (filter: Record<string, unknown>) => idsOf(saver, at("t"), { filter });
    expect(await filtered({ user: { tags: ["x"], id: 7 } })).toEqual(["a"]);
    expect(await filtered({ user: { id: 7 } })).toEqual([]);
    expect(await filtered({ long: "x".repeat(1000) })).toEqual(["a"]);
    expect(await filtered({ when: new Date(5), source: "loop" })).toEqual(["b"]);
    expect(await filtered({ none: null })).toEqual(["b"]);
    expect(await filtered({ source: undefined })).toEqual(["b", "a"]);
    expect(await filtered({ "\0": 1 })).toEqual([]);
    expect(await idsOf(saver, at("t"), { limit: 0 })).toEqual([]);
  });

  it("without a thread shows every thread, also with a checkpoint id", async () => {
    const { saver } = memorySaver();
    await saver.put(at("t"), checkpoint("a"), METADATA, {});
    await saver.put(at("u", { checkpoint_ns: "n:1|m:2" }), checkpoint("b"), METADATA, {});
    expect((await idsOf(saver, {})).sort()).toEqual(["a", "b"]);
    expect(await idsOf(saver, { configurable: { checkpoint_id: "b" } })).toEqual(["b"]);
    expect(await idsOf(saver, at("u", { checkpoint_ns: "" }))).toEqual([]);
  });

  it("keeps metadata whole, whatever it holds", async () => {
    const { saver } = memorySaver();
    const metadata = { ...METADATA, nul: "a\0", big: 1n, nested: { at: new Date(0), m: new HumanMessage("x") } };
    await saver.put(at("t"), checkpoint("a"), metadata, {});
    const tuple = await saver.getTuple(at("t"));
    expect(tuple?.metadata).toMatchObject({ nul: "a\0", big: 1n, nested: { at: new Date(0), m: { content: "x" } } });
  });
});

describe("writes", () => {
  it("come in the order of path, task and index, by code point, also before their checkpoint", async () => {
    const { saver } = memorySaver();
    const config = at("t", { checkpoint_id: "a" });
    await saver.putWrites(config, [["c", 1]], "z", "\u{1F600}");
    await saver.putWrites(
      config,
      [
        ["c", 2],
        ["d", 3],
      ],
      "b",
      "\uffee",
    );
    await saver.putWrites(config, [["c", 4]], "a", "\uffee");
    await saver.putWrites(config, [["c", 5]], "zz");
    await saver.put(at("t"), checkpoint("a"), METADATA, {});
    const values = (await saver.getTuple(config))?.pendingWrites?.map(([, , value]) => value);
    expect(values).toEqual([5, 4, 2, 3, 1]);
  });

  it("the first of an index stays, special ones are replaced, also side by side", async () => {
    const { saver } = memorySaver();
    const config = await saver.put(at("t"), checkpoint("a"), METADATA, {});
    await saver.putWrites(
      config,
      [
        ["x", "first"],
        ["__resume__", "r1"],
        ["__resume__", "r2"],
      ],
      "task",
    );
    await saver.putWrites(
      config,
      [
        ["x", "second"],
        ["__resume__", "r3"],
      ],
      "task",
    );
    await saver.putWrites(config, [["__interrupt__", "i"]], "task");
    expect((await saver.getTuple(config))?.pendingWrites).toEqual([
      ["task", "__resume__", "r3"],
      ["task", "__interrupt__", "i"],
      ["task", "x", "first"],
    ]);
  });

  it("stay with their own namespace", async () => {
    const { saver } = memorySaver();
    for (const checkpoint_ns of ["", "n:1", "n:1|m:2"]) {
      const config = await saver.put(at("t", { checkpoint_ns }), checkpoint("a"), METADATA, {});
      await saver.putWrites(config, [["x", checkpoint_ns]], "task");
    }
    const tuple = await saver.getTuple(at("t", { checkpoint_ns: "n:1" }));
    expect(tuple?.pendingWrites).toEqual([["task", "x", "n:1"]]);
  });
});

describe("two workers on one thread", () => {
  it("with compareAndSet exactly one continues from a head", async () => {
    const storage = memoryStorage();
    const savers = [1, 2, 3].map(() => new WaystoneSaver(storage, { compareAndSet: true }));
    const heads = await Promise.allSettled(
      savers.map((saver, i) => saver.put(at("t"), checkpoint(`a${i}`), METADATA, {})),
    );
    expect(heads.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const [head] = heads.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const next = await Promise.allSettled(
      savers.map((saver, i) => saver.put(head ?? {}, checkpoint(`b${i}`), METADATA, {})),
    );
    expect(next.map((each) => (each.status === "rejected" ? each.reason.code : "stored")).sort()).toEqual([
      "CONFLICT",
      "CONFLICT",
      "stored",
    ]);
  });

  it("a run may fork from history when its config says so, and runs of a graph pass", async () => {
    const { saver } = memorySaver({ compareAndSet: true });
    const graph = new StateGraph(Annotation.Root({ n: Annotation<number> }))
      .addNode("add", ({ n }) => ({ n: n + 1 }))
      .addEdge(START, "add")
      .compile({ checkpointer: saver });
    await graph.invoke({ n: 1 }, at("t"));
    const first = await graph.getState(at("t"));
    await graph.invoke({ n: 5 }, at("t"));
    const past = { ...first.config.configurable };
    await expect(graph.updateState({ configurable: past }, { n: 9 })).rejects.toMatchObject({ code: "CONFLICT" });
    await graph.updateState({ configurable: { ...past, compare_and_set: false } }, { n: 9 });
    expect((await graph.getState(at("t"))).values).toEqual({ n: 9 });
  });

  it("a lease that another worker took over fences off the first", async () => {
    const { storage } = memorySaver();
    const mine = await storage.acquireLease({ thread: "t" }, { owner: "a", ttlMs: 60_000 });
    const saver = new WaystoneSaver(storage, { lease: () => mine });
    const config = await saver.put(at("t"), checkpoint("a"), METADATA, {});
    await storage.acquireLease({ thread: "t" }, { owner: "a", ttlMs: 60_000 });
    await expect(saver.put(config, checkpoint("b"), METADATA, {})).rejects.toMatchObject({ code: "FENCED" });
    await expect(saver.putWrites(config, [["x", 1]], "task")).rejects.toMatchObject({ code: "FENCED" });
  });
});

describe("retention", () => {
  it("keeps the newest of each thread while it grows", async () => {
    const { saver } = memorySaver({ retention: { keepLast: 2, every: 1 } });
    for (const thread of ["t", "u"]) {
      let config = at(thread);
      for (const id of ["a", "b", "c", "d"])
        config = (await saver.put(config, checkpoint(id), METADATA, {})) as typeof config;
    }
    expect(await idsOf(saver, at("t"))).toEqual(["d", "c"]);
    expect(await idsOf(saver, at("u"))).toEqual(["d", "c"]);
  });

  it("prunes after as many checkpoints as it is told", async () => {
    const { saver } = memorySaver({ retention: { keepLast: 1, every: 3 } });
    for (const id of ["a", "b"]) await saver.put(at("t"), checkpoint(id), METADATA, {});
    expect(await idsOf(saver, at("t"))).toEqual(["b", "a"]);
    await saver.put(at("t"), checkpoint("c"), METADATA, {});
    expect(await idsOf(saver, at("t"))).toEqual(["c"]);
  });

  it.each([[{}], [{ keepLast: 0 }], [{ maxAgeMs: -1 }], [{ keepLast: 1, every: 0 }]])("refuses %o", (retention) => {
    expect(() => memorySaver({ retention })).toThrow("retention");
  });
});

describe.each(STORAGES)("delta channels on %s", (_name, storages) => {
  const append = (state: string[], writes: readonly string[][]) => state.concat(...writes);
  const build = (checkpointer: WaystoneSaver) =>
    new StateGraph(
      Annotation.Root({ log: new DeltaChannel<string[], string[]>(append, { snapshotFrequency: 4 }) as never }),
    )
      .addNode("add", () => ({ log: ["node"] }) as never)
      .addEdge(START, "add")
      .compile({ checkpointer });
  const logOf = (values: unknown) => (values as { log: string[] }).log;

  it("are rebuilt, also after pruning and from every checkpoint that is left", async () => {
    const open = storages();
    for (let turn = 0; turn < 7; turn++) await build(await open()).invoke({ log: [`turn ${turn}`] } as never, at("t"));
    const expected = Array.from({ length: 7 }, (_, turn) => [`turn ${turn}`, "node"]).flat();
    const before = new Map<string, string[]>();
    for await (const { config, values } of build(await open()).getStateHistory(at("t"))) {
      before.set(config.configurable?.checkpoint_id, logOf(values));
    }
    expect(logOf((await build(await open()).getState(at("t"))).values)).toEqual(expected);
    const report = await (await open()).prune({ keepLast: 2 });
    expect(report.removedCheckpoints).toBeGreaterThan(0);
    let left = 0;
    for await (const { config, values } of build(await open()).getStateHistory(at("t"), { limit: 2 })) {
      expect(logOf(values)).toEqual(before.get(config.configurable?.checkpoint_id));
      left += 1;
    }
    expect(left).toBe(2);
    const { log } = (await build(await open()).invoke({ log: ["more"] } as never, at("t"))) as never as {
      log: string[];
    };
    expect(log).toEqual([...expected, "more", "node"]);
  });
});

describe("round trips", () => {
  it("are one for getTuple, put and putWrites, and two for the history of a delta channel", async () => {
    const storage = memoryStorage();
    const calls: string[] = [];
    for (const name of ["getCheckpoint", "listCheckpoints", "storeCheckpoint", "putWrites", "getWrites"] as const) {
      const verb = storage[name].bind(storage) as (...args: unknown[]) => unknown;
      vi.spyOn(storage, name).mockImplementation(((...args: unknown[]) => {
        calls.push(name);
        return verb(...args);
      }) as never);
    }
    const saver = new WaystoneSaver(storage);
    const during = async (work: () => Promise<unknown>) => {
      calls.length = 0;
      await work();
      return [...calls];
    };
    let config = await saver.put(at("t"), checkpoint(uuid6(0), { a: 1 }), METADATA, { a: 1 });
    for (let step = 1; step < 60; step++) {
      const metadata = { ...METADATA, counters_since_delta_snapshot: { a: [step, step] as [number, number] } };
      config = await saver.put(config, checkpoint(uuid6(step)), metadata, {});
    }
    expect(
      await during(() =>
        saver.putWrites(
          config,
          [
            ["a", 1],
            ["b", 2],
          ],
          "task",
        ),
      ),
    ).toEqual(["putWrites"]);
    expect(await during(() => saver.put(config, checkpoint(uuid6(60)), METADATA, {}))).toEqual(["storeCheckpoint"]);
    expect(await during(() => saver.getTuple(at("t")))).toEqual(["getCheckpoint"]);
    const history = () => saver.getDeltaChannelHistory({ config, channels: ["a"] });
    expect(await during(history)).toEqual(["getCheckpoint", "listCheckpoints", "listCheckpoints"]);
    expect((await history()).a?.seed).toBe(1);
  });

  it("are two for the history of a delta channel, in a thread of many branches and in a long one", async () => {
    const storage = memoryStorage();
    const saver = new WaystoneSaver(storage);
    const put = async (from: RunnableConfig, id: number, step: number): Promise<RunnableConfig> => {
      const metadata = { ...METADATA, counters_since_delta_snapshot: { a: [step, step] as [number, number] } };
      const config = await saver.put(from, checkpoint(uuid6(id)), metadata, {});
      await saver.putWrites(config, [["a", id]], "task");
      return config;
    };
    const root = await saver.put(at("t"), checkpoint(uuid6(0), { a: "root" }), METADATA, { a: 1 });
    const heads = Array.from({ length: 10 }, () => root);
    for (let id = 1; id <= 200; id++) {
      const branch = id % heads.length;
      heads[branch] = await put(heads[branch] ?? root, id, Math.ceil(id / heads.length));
    }
    let line = await saver.put(at("long"), checkpoint(uuid6(0), { a: "root" }), METADATA, { a: 1 });
    for (let id = 1; id <= 400; id++) line = await put(line, id, id);

    const rounds: string[][] = [];
    let running = 0;
    for (const name of ["getCheckpoint", "listCheckpoints", "getWrites", "listThreads"] as const) {
      const verb = storage[name].bind(storage) as (...args: unknown[]) => Promise<unknown>;
      vi.spyOn(storage, name).mockImplementation((async (...args: unknown[]) => {
        if (running === 0) rounds.push([]);
        running += 1;
        rounds.at(-1)?.push(name);
        return verb(...args).finally(() => (running -= 1));
      }) as never);
    }
    const twoRounds = [["getCheckpoint", "listCheckpoints"], ["listCheckpoints"]];
    for (const [branch, config] of heads.entries()) {
      rounds.length = 0;
      const { a } = await saver.getDeltaChannelHistory({ config, channels: ["a"] });
      expect(rounds).toEqual(twoRounds);
      expect(a?.seed).toBe("root");
      // Those of the ancestors alone: 19 of the 20 steps of its own branch.
      const own = Array.from({ length: 20 }, (_, i) => (branch === 0 ? 10 : branch) + 10 * i);
      expect(a?.writes.map(([, , value]) => value)).toEqual(own.slice(0, -1));
    }
    rounds.length = 0;
    const { a } = await saver.getDeltaChannelHistory({ config: line, channels: ["a"] });
    expect(rounds).toEqual(twoRounds);
    expect([a?.seed, a?.writes.length]).toEqual(["root", 399]);
  });
});

describe("threads", () => {
  it("are copied, listed and deleted", async () => {
    const { saver } = memorySaver();
    await saver.put(at("t"), checkpoint("a", { x: new HumanMessage("x") }), METADATA, { x: 1 });
    expect(await saver.copyThread("t", "copy")).toBe(true);
    await saver.deleteThread("t");
    await saver.deleteThread("t");
    expect((await saver.getTuple(at("copy")))?.checkpoint.channel_values.x).toMatchObject({ content: "x" });
    expect((await saver.listThreads()).items.map(({ threadId }) => threadId)).toEqual(["copy"]);
  });

  it("shows nothing of its storage in JSON", () => {
    expect(JSON.stringify({ checkpointer: memorySaver().saver })).toBe('{"checkpointer":"[WaystoneSaver]"}');
  });
});

describe("deleteForRuns", () => {
  it("removes threads that hold nothing else, and from others its checkpoints with their writes", async () => {
    const { saver, storage } = memorySaver();
    await saver.put(at("alone", { run_id: "r1" }), checkpoint("a"), METADATA, {});
    await saver.put(at("t", { run_id: "r0" }), checkpoint("a", { x: 1 }), METADATA, { x: 1 });
    const b = await saver.put(
      at("t", { run_id: "r1", checkpoint_id: "a" }),
      checkpoint("b", { x: "gone" }),
      METADATA,
      {},
    );
    await saver.putWrites(b, [[TASKS, "gone too"]], "task", "path");
    expect(await saver.deleteForRuns(["r1"])).toEqual({ removedThreads: 1, removedCheckpoints: 2, keptCheckpoints: 0 });
    expect(await saver.getTuple(at("alone"))).toBeUndefined();
    expect((await saver.getTuple(at("t")))?.checkpoint.id).toBe("a");
    expect(await saver.getTuple(b)).toBeUndefined();
    expect(await idsOf(saver, {})).toEqual(["a"]);
    const left: StorageRecord[] = [];
    for await (const record of storage.exportRecords({ threadId: "t" })) left.push(record);
    expect(left.map(({ kind }) => kind)).toEqual(["thread", "checkpoint"]);
    expect(JSON.stringify(left)).not.toContain("gone");
    expect(await saver.deleteForRuns(["r1"])).toEqual({ removedThreads: 0, removedCheckpoints: 0, keptCheckpoints: 0 });
    expect(await saver.deleteForRuns(["r0"])).toMatchObject({ removedThreads: 1, removedCheckpoints: 1 });
    expect((await saver.listThreads()).items).toEqual([]);
    expect(await saver.deleteForRuns([])).toEqual({ removedThreads: 0, removedCheckpoints: 0, keptCheckpoints: 0 });
  });

  it("removes from every namespace what no other run needs, whole chains too", async () => {
    const { saver } = memorySaver();
    const delta = { ...METADATA, counters_since_delta_snapshot: { x: [1, 1] as [number, number] } };
    for (const checkpoint_ns of ["", "n:1"]) {
      let last = await saver.put(at("t", { checkpoint_ns, run_id: "r1" }), checkpoint("a", { x: [1] }), METADATA, {
        x: 1,
      });
      for (const id of ["b", "c"]) {
        last = await saver.put({ configurable: { ...last.configurable, run_id: "r1" } }, checkpoint(id), delta, {});
      }
      if (checkpoint_ns === "") await saver.put(at("t", { run_id: "r2" }), checkpoint("other"), METADATA, {});
    }
    expect(await saver.deleteForRuns(["r1"])).toEqual({ removedThreads: 0, removedCheckpoints: 6, keptCheckpoints: 0 });
    expect(await idsOf(saver, at("t"))).toEqual(["other"]);
  });

  it("leaves checkpoints that are not LangGraph's, and so does a listing of all threads", async () => {
    const { saver, storage } = memorySaver();
    await saver.put(at("t", { run_id: "r1" }), checkpoint("a"), METADATA, {});
    await storage.storeCheckpoint("other", "x", { mine: 1 }, { metadata: { run_id: "r1" } });
    expect(await idsOf(saver, {})).toEqual(["a"]);
    expect(await saver.deleteForRuns(["r1"])).toMatchObject({ removedThreads: 1, removedCheckpoints: 1 });
    expect((await storage.getCheckpoint("other"))?.data).toEqual({ mine: 1 });
    await expect(saver.getTuple(at("other"))).rejects.toMatchObject({ code: "CORRUPTION" });
  });

  it("keeps what a delta channel of another run is rebuilt from", async () => {
    const { saver } = memorySaver();
    const a = await saver.put(at("t", { run_id: "r1" }), checkpoint("a", { x: [1] }), METADATA, { x: 1 });
    const later = { ...METADATA, counters_since_delta_snapshot: { x: [1, 1] as [number, number] } };
    await saver.put({ configurable: { ...a.configurable, run_id: "r2" } }, checkpoint("b"), later, {});
    expect(await saver.deleteForRuns(["r1"])).toEqual({ removedThreads: 0, removedCheckpoints: 0, keptCheckpoints: 1 });
    expect((await saver.getDeltaChannelHistory({ config: at("t"), channels: ["x"] })).x?.seed).toEqual([1]);
  });
});
