// The node cache: values come back as they were, entries expire and are cleared, graphs run a node once, and failures never end one.
import { AIMessage } from "@langchain/core/messages";
import { Annotation, Command, END, MessagesAnnotation, Send, START, StateGraph } from "@langchain/langgraph";
import { InMemoryCache, JsonPlusSerializer } from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { WaystoneCache, type WaystoneCacheOptions, WaystoneStore } from "../../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import { manualClock } from "../../../../src/testing/index.js";
import { BACKENDS } from "../backends.js";

type Key = [string[], string];

class Money {
  readonly cents: bigint;
  constructor(cents: bigint) {
    this.cents = cents;
  }
}

const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

describe.each(BACKENDS)("on %s", (_name, open) => {
  const strict: WaystoneCacheOptions = {
    onError: (error) => {
      throw error;
    },
  };

  it("values come back as they were", async () => {
    const cache = new WaystoneCache(open(), strict);
    const value = {
      message: new AIMessage({ content: "hi", id: "1", tool_calls: [{ name: "t", args: { a: 1 }, id: "c" }] }),
      map: new Map([["a", new Date(7)]]),
      set: new Set([1n]),
      bytes: new Uint8Array([255, 254, 0]),
      nothing: undefined,
      numbers: [Number.NaN, -0],
      error: new TypeError("no"),
      ours: { "~waystone": "message", class: "AIMessage" },
      theirs: { lc: 1, type: "constructor", id: ["langchain_core", "messages", "HumanMessage"], kwargs: {} },
      text: "a\0b\ud800",
    };
    for (const each of [...Object.values(value), value, [["messages", [value.message]]]]) {
      await cache.set([{ key: [["ns"], "k"], value: each }]);
      const [found] = await cache.get([[["ns"], "k"]]);
      expect(found).toStrictEqual({ key: [["ns"], "k"], value: each });
    }
  });

  it("more entries than one call of the storage takes are set and found", async () => {
    const cache = new WaystoneCache(open(), strict);
    const pairs = Array.from({ length: 2_001 }, (_, i): { key: Key; value: number } => ({
      key: [["ns"], `${i}`],
      value: i,
    }));
    await cache.set(pairs);
    expect(await cache.get([[["ns"], "no"], ...pairs.map(({ key }) => key)])).toEqual(pairs);
  });

  it("a value is what it was when it was set", async () => {
    const cache = new WaystoneCache(open(), strict);
    const value = { list: [1] };
    const set = cache.set([{ key: [["ns"], "k"], value }]);
    value.list.push(2);
    await set;
    expect(await cache.get([[["ns"], "k"]])).toEqual([{ key: [["ns"], "k"], value: { list: [1] } }]);
  });

  it("every program gives what LangGraph's own cache gives", { timeout: 60_000 }, async () => {
    const storage = open();
    const namespace = fc.array(fc.constantFrom("a", "b", "ab", "2"), { minLength: 1, maxLength: 3 });
    const key = fc.tuple(namespace, fc.constantFrom("k", "l", "a")) as fc.Arbitrary<Key>;
    // LangGraph's serialiser loses -0 and keys named `__proto__`.
    const value = fc
      .jsonValue()
      .map((json) => JSON.parse(JSON.stringify(json)) as unknown)
      .filter((json) => !JSON.stringify(json).includes("__proto__"));
    const step = fc.oneof(
      fc.record({ get: fc.array(key, { maxLength: 3 }) }),
      fc.record({ set: fc.array(fc.record({ key, value }), { minLength: 1, maxLength: 3 }) }),
      fc.record({ clear: fc.array(namespace, { minLength: 1, maxLength: 2 }) }),
      fc.constant({ clear: [] as string[][] }),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 20 }), async (steps) => {
        run += 1;
        const ours = new WaystoneCache(storage.tenant(`run-${run}`), strict);
        const theirs = new InMemoryCache();
        for (const each of steps) {
          if ("get" in each) expect(await ours.get(each.get)).toEqual(await theirs.get(each.get));
          else if ("set" in each) await Promise.all([ours.set(each.set), theirs.set(each.set)]);
          else await Promise.all([ours.clear(each.clear), theirs.clear(each.clear)]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("unlike InMemoryCache, labels with commas stay apart", async () => {
    const theirs = new InMemoryCache();
    const ours = new WaystoneCache(open(), strict);
    const found: number[] = [];
    for (const cache of [theirs, ours]) {
      await cache.set([{ key: [["a", "b"], "k"], value: 1 }]);
      found.push((await cache.get([[["a,b"], "k"]])).length);
    }
    expect(found).toEqual([1, 0]);
  });

  it("entries expire by the second, those without a time stay", async () => {
    const clock = manualClock();
    const cache = new WaystoneCache(open(clock), strict);
    const key = (name: string): Key => [["ns"], name];
    await cache.set([{ key: key("gone"), value: 0 }]);
    await cache.set([
      { key: key("half"), value: 1, ttl: 0.5 },
      { key: key("two"), value: 2, ttl: 2 },
      { key: key("ever"), value: 3 },
      { key: key("endless"), value: 4, ttl: Number.POSITIVE_INFINITY },
      { key: key("gone"), value: 5, ttl: 0 },
    ]);
    const left: unknown[][] = [];
    for (const ms of [0, 500, 1_500, 1e12]) {
      clock.advance(ms);
      const found = await cache.get(["half", "two", "ever", "endless", "gone"].map(key));
      left.push(found.map(({ value }) => value));
    }
    expect(left).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ]);
  });

  it("stores of LangGraph neither list, find, count nor delete entries", async () => {
    const storage = open();
    const cache = new WaystoneCache(storage, strict);
    const store = new WaystoneStore(storage);
    await cache.set([{ key: [["ns", "v1"], "k"], value: 1 }]);
    await store.put(["users", "v1"], "k", { v: 1 });
    expect((await store.search([])).map(({ namespace }) => namespace)).toEqual([["users", "v1"]]);
    expect((await store.searchPage([])).items).toHaveLength(1);
    expect(await store.countItems([])).toBe(1);
    expect(await store.listNamespaces()).toEqual([["users", "v1"]]);
    expect(await store.listNamespaces({ suffix: ["v1"] })).toEqual([["users", "v1"]]);
    expect(await store.listNamespaces({ prefix: ["*"], maxDepth: 1, limit: 1 })).toEqual([["users"]]);
    await store.deleteItems(["users"]);
    expect(await cache.get([[["ns", "v1"], "k"]])).toHaveLength(1);
    await store.put(["users"], "k", { v: 1 });
    await cache.clear([]);
    expect(await store.search([])).toHaveLength(1);
  });

  it("classes of the application and serialisers of the user are kept as in a saver", async () => {
    const storage = open();
    const money = {
      name: "money",
      is: (value: object) => value instanceof Money,
      encode: ({ cents }: Money) => cents,
      decode: (cents: unknown) => new Money(cents as bigint),
    };
    const key: Key = [["ns"], "k"];
    const withCodec = new WaystoneCache(storage, { ...strict, codecs: [money] });
    await withCodec.set([{ key, value: new Money(5n) }]);
    expect(await withCodec.get([key])).toEqual([{ key, value: new Money(5n) }]);
    const withSerde = new WaystoneCache(storage, { ...strict, serde: new JsonPlusSerializer() });
    await withSerde.set([{ key, value: { m: new AIMessage("hi") } }]);
    for (const cache of [withSerde, withCodec]) {
      const [entry] = await cache.get([key]);
      expect(entry?.value).toHaveProperty("m", expect.any(AIMessage));
    }
  });

  describe("a graph", () => {
    it("runs a cached node once for an input, and again after its time", async () => {
      const clock = manualClock();
      const storage = open(clock);
      let runs = 0;
      const build = () =>
        new StateGraph(MessagesAnnotation)
          .addNode(
            "answer",
            ({ messages }) => {
              runs += 1;
              return { messages: [new AIMessage({ content: `to ${messages.at(-1)?.content}`, id: `a${runs}` })] };
            },
            { cachePolicy: { ttl: 60, keyFunc: ([input]) => lastText(input) } },
          )
          .addEdge(START, "answer")
          .compile({ cache: new WaystoneCache(storage, strict) });
      const ask = async (content: string) => (await build().invoke({ messages: [{ role: "user", content }] })).messages;
      expect((await ask("a")).at(-1)).toBeInstanceOf(AIMessage);
      expect((await ask("a")).at(-1)).toMatchObject({ content: "to a", id: "a1" });
      expect(runs).toBe(1);
      await ask("b");
      expect(runs).toBe(2);
      clock.advance(59_000);
      await ask("a");
      expect(runs).toBe(2);
      clock.advance(1_000);
      await ask("a");
      expect(runs).toBe(3);
      await build().clearCache();
      await ask("a");
      expect(runs).toBe(4);
    });

    it("goes the same way from the cache: commands and sends", async () => {
      const storage = open();
      const runs: string[] = [];
      const build = () =>
        new StateGraph(Log)
          .addNode(
            "plan",
            () => {
              runs.push("plan");
              return new Command({
                update: { log: ["plan"] },
                goto: [new Send("work", { item: "x" }), new Send("work", { item: "y" })],
              });
            },
            { cachePolicy: true, ends: ["work"] },
          )
          .addNode(
            "work",
            ({ item }: { item: string }) => {
              runs.push(item);
              return { log: [item] };
            },
            { cachePolicy: true },
          )
          .addEdge(START, "plan")
          .addEdge("work", END)
          .compile({ cache: new WaystoneCache(storage, strict) });
      const first = await build().invoke({});
      expect(first).toEqual({ log: ["plan", "x", "y"] });
      expect(await build().invoke({})).toEqual(first);
      expect(runs).toEqual(["plan", "x", "y"]);
    });

    it("ends well when its results cannot be cached, and when the store is gone", async () => {
      const errors: unknown[] = [];
      const storage = open();
      const cache = new WaystoneCache(storage, { onError: (error) => errors.push(error) });
      const graph = new StateGraph(Annotation.Root({ money: Annotation<unknown>() }))
        .addNode("count", () => ({ money: new Money(1n) }), { cachePolicy: true })
        .addEdge(START, "count")
        .compile({ cache });
      expect((await graph.invoke({})).money).toEqual(new Money(1n));
      expect(errors).toMatchObject([{ code: "SERIALIZATION" }]);
      await storage.close();
      expect((await graph.invoke({})).money).toEqual(new Money(1n));
      expect(errors.slice(1).map((error) => (error as { code: string }).code)).toEqual(["CLOSED", "SERIALIZATION"]);
    });
  });

  it("an entry that cannot be read is none, and is told", async () => {
    const storage = open();
    const errors: unknown[] = [];
    const cache = new WaystoneCache(storage, { onError: (error) => errors.push(error) });
    const namespace = ["waystone:langgraph-cache", "1", "ns"];
    for (const [key, data] of Object.entries({ text: "{", version: '{"$waystone":99}', tag: '{"~waystone":"new"}' })) {
      await storage.putItem(namespace, key, { "waystone:langgraph-cache": 1, data });
      expect(await cache.get([[["ns"], key]])).toEqual([]);
    }
    await storage.putItem(namespace, "foreign", { text: "an item of somebody else" });
    expect(await cache.get([[["ns"], "foreign"]])).toEqual([]);
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(Array(4).fill("CORRUPTION"));
  });

  it("names that are no identifiers, and times that are none, are told and store nothing", async () => {
    const storage = open();
    const errors: unknown[] = [];
    const cache = new WaystoneCache(storage, { onError: (error) => errors.push(error) });
    const set = (key: unknown, ttl?: unknown) => cache.set([{ key, value: 1, ttl }] as never);
    const wrong: unknown[] = [
      [["ns"], ""],
      [["ns", ""], "k"],
      [[1], "k"],
      ["ns", "k"],
      [["ns"], 1],
      [Array(31).fill("x"), "k"],
    ];
    for (const key of wrong) await set(key);
    for (const ttl of ["1", Number.NaN, {}]) await set([["ns"], "k"], ttl);
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(Array(9).fill("INVALID_ARGUMENT"));
    expect(await storage.listNamespaces()).toEqual({ items: [] });
  });
});

it("without a listener a failure is a warning of the process", async () => {
  const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const cache = new WaystoneCache(memoryStorage());
  await cache.set([{ key: [["ns"], "k"], value: () => 1 }]);
  expect(warning.mock.calls).toEqual([[expect.stringMatching(/SerializationError/), { type: "WaystoneCacheWarning" }]]);
});

/** What identifies an input: ids of messages differ each time. */
function lastText(input: unknown): string {
  const { messages } = input as typeof MessagesAnnotation.State;
  return String(messages.at(-1)?.content);
}
