// Search by meaning: ranked by nearness, embedded in one call, beside the item.
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { type LangGraphRunnableConfig, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { InMemoryStore, type Operation } from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type StoreIndex, WaystoneStore } from "../../../../src/adapters/langgraph/index.js";
import { UnsupportedError } from "../../../../src/contract/errors.js";
import type { ItemStorage } from "../../../../src/contract/item-storage.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { BACKENDS, VECTOR_BACKENDS } from "../backends.js";
import { DIMS, embedText, RecordingEmbeddings } from "./embedders.js";

const MEMORIES = {
  food: { text: "User likes pizza and pasta, the food of Italy" },
  work: { text: "User works as a nurse in a hospital" },
  travel: { text: "User travels by train to Italy" },
};

const near = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);

describe.each(VECTOR_BACKENDS)("on %s", (_name, open) => {
  const embed = async (texts: string[]) => texts.map(embedText);
  const filled = async (index: Partial<StoreIndex> = {}, storage: ItemStorage = open()) => {
    const store = new WaystoneStore(storage, { index: { dims: DIMS, embed, ...index } });
    await store.batch(
      Object.entries(MEMORIES).map(([key, value]): Operation => ({ namespace: ["u", "1"], key, value })),
    );
    return store;
  };

  it("a graph recalls what a question is about", async () => {
    const store = await filled({ fields: ["text"] });
    const recall = async ({ messages }: typeof MessagesAnnotation.State, config: LangGraphRunnableConfig) => {
      const query = String(messages.at(-1)?.content);
      const [best] = (await config.store?.search(["u", "1"], { query, limit: 1 })) ?? [];
      return { messages: [new AIMessage(String(best?.value.text))] };
    };
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("recall", recall)
      .addEdge(START, "recall")
      .compile({ store });
    const ask = async (text: string) => (await graph.invoke({ messages: [new HumanMessage(text)] })).messages.at(-1);
    expect((await ask("Which food? Pizza?"))?.content).toBe(MEMORIES.food.text);
    expect((await ask("What about the hospital, nurse?"))?.content).toBe(MEMORIES.work.text);
  });

  it("scores are those of LangGraph's own store, the nearest first", async () => {
    const ours = await filled();
    const theirs = new InMemoryStore({ index: { dims: DIMS, embeddings: new RecordingEmbeddings() } });
    for (const [key, value] of Object.entries(MEMORIES)) await theirs.put(["u", "1"], key, value);
    for (const query of ["pizza and pasta of Italy", "a train", "nurse"]) {
      const expected = await theirs.search(["u"], { query });
      const found = await ours.search(["u"], { query });
      expect(near(found)).toEqual(near(expected));
      for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(expected[i]?.score ?? Number.NaN, 5);
    }
  });

  it("any memories are ranked as LangGraph's own store ranks them", { timeout: 60_000 }, async () => {
    const storage = open();
    const word = fc.constantFrom("tea", "train", "rain", "nurse", "code", "sea");
    const text = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(" "));
    const item = fc.record({ text, kind: fc.constantFrom("a", "b") });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 8 }), text, async (items, query) => {
        run += 1;
        const ours = new WaystoneStore(storage.tenant(`run-${run}`), {
          index: { dims: DIMS, embed, fields: ["text"] },
        });
        const embeddings = new RecordingEmbeddings();
        const theirs = new InMemoryStore({ index: { dims: DIMS, embeddings, fields: ["text"] } });
        const puts = items.map((value, i): Operation => ({ namespace: ["n"], key: `${i}`, value }));
        await Promise.all([ours.batch(puts), theirs.batch(puts)]);
        for (const options of [{ query }, { query, filter: { kind: "a" } }, { query, limit: 2, offset: 1 }]) {
          const scores = async (store: InMemoryStore | WaystoneStore) =>
            (await store.search(["n"], options)).map(({ score }) => Math.round((score ?? -9) * 1e5));
          expect(await scores(ours)).toEqual(await scores(theirs));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("all texts of a batch are embedded in one call of a function, each once", async () => {
    const calls: string[][] = [];
    const store = new WaystoneStore(open(), {
      index: {
        dims: DIMS,
        fields: ["title", "parts[*].text"],
        embed: async (texts) => {
          calls.push(texts);
          return texts.map(embedText);
        },
      },
    });
    const [, , , found] = await store.batch([
      { namespace: ["n"], key: "a", value: { title: "one", parts: [{ text: "two" }, { text: "three" }] } },
      { namespace: ["n"], key: "b", value: { title: "two", other: "never" } },
      { namespace: ["n"], key: "c", value: { title: "no vector of mine" }, index: false },
      { namespacePrefix: ["n"], query: "three" },
      { namespacePrefix: ["n"], query: "two" },
      { namespace: ["n"], key: "d", value: { special: "four" }, index: ["special"] },
      { namespace: ["n"], key: "a2", value: null },
    ]);
    expect(calls).toEqual([["one", "two", "three", "four"]]);
    expect(found).toEqual([]);
    await store.put(["n"], "e", { nothing: "to embed" });
    await store.get(["n"], "e");
    await store.search(["n"]);
    expect(calls).toHaveLength(1);
  });

  it("an embedder of LangChain gets documents in one call, and each query once", async () => {
    const embeddings = new RecordingEmbeddings();
    const store = await filled({ embed: embeddings, fields: ["text"] });
    const search = { namespacePrefix: ["u"], query: "train" };
    await store.batch([search, search, { namespace: ["n"], key: "k", value: { text: "new" } }]);
    expect(embeddings.calls).toEqual([Object.values(MEMORIES).map(({ text }) => text), ["new"], "train"]);
  });

  it("the best of an item's texts counts, and each item comes once", async () => {
    const store = new WaystoneStore(open(), { index: { dims: DIMS, embed, fields: ["parts[*]"] } });
    await store.put(["n"], "many", { parts: ["rain", "nurse tea", "sea"] });
    await store.put(["n"], "one", { parts: ["tea"] });
    const found = await store.search(["n"], { query: "tea" });
    expect(near(found)).toEqual(["one", "many"]);
    expect(found[0]?.score).toBeCloseTo(1, 5);
  });

  it("items without vectors come last, and a search without a query finds all", async () => {
    const store = await filled();
    await store.put(["u", "1"], "secret", { text: "pizza pizza pizza" }, false);
    const found = await store.search(["u"], { query: "pizza" });
    expect(near(found).at(-1)).toBe("secret");
    expect(found.at(-1)).not.toHaveProperty("score");
    expect(found).toHaveLength(4);
    expect(await store.search(["u"])).toHaveLength(4);
    expect(await store.search(["u"], { query: "" })).toHaveLength(4);
  });

  it("a new value has only its own vectors, and a deleted one none", async () => {
    const store = await filled({ fields: ["text"] });
    await store.put(["u", "1"], "food", { text: "nothing of the kind" });
    const best = async (query: string) => (await store.search(["u"], { query, limit: 1 }))[0];
    expect((await best("pizza and pasta"))?.score ?? 0).toBeLessThan(0.5);
    await store.delete(["u", "1"], "work");
    expect((await best("nurse in a hospital"))?.key).not.toBe("work");
    await store.put(["u", "1"], "travel", MEMORIES.travel, false);
    expect((await best("travels by train"))?.key).not.toBe("travel");
  });

  it("a changed value is found by what it is now", async () => {
    const store = await filled({ fields: ["text"] });
    const item = await store.updateItem(["u", "1"], "work", { merge: { text: "User plays the violin" } });
    expect(item.value).toEqual({ text: "User plays the violin" });
    expect(near(await store.search(["u"], { query: "violin", limit: 1 }))).toEqual(["work"]);
    await store.updateItem(["u", "1"], "work", { merge: { text: "User swims" } }, { index: false });
    expect(near(await store.search(["u"], { query: "violin", limit: 1 }))).toEqual(["work"]);
    await store.updateItem(["u", "1"], "work", { unset: ["text"] });
    expect(near(await store.search(["u"], { query: "violin" })).at(-1)).toBe("work");
  });

  it("value and vectors change in one step: who was slower begins again, and embeds only what is new", async () => {
    const later = Promise.withResolvers<void>();
    const embedded: string[][] = [];
    const store = new WaystoneStore(open(), {
      index: {
        dims: DIMS,
        fields: ["a", "b"],
        embed: async (texts) => {
          embedded.push(texts);
          if (embedded.length === 1) await later.promise;
          return texts.map(embedText);
        },
      },
    });
    const merge = { a: "violin" };
    const first = store.updateItem(["n"], "k", { merge });
    while (embedded.length === 0) await new Promise(setImmediate);
    expect(await store.get(["n"], "k")).toBeNull();
    merge.a = "changed meanwhile";
    await store.updateItem(["n"], "k", { merge: { b: "swims" } });
    later.resolve();
    expect(await first).toMatchObject({ value: { a: "violin", b: "swims" }, version: 2 });
    expect(embedded).toEqual([["violin"], ["swims"], ["swims"]]);
    for (const query of ["violin", "swims"]) {
      expect((await store.search(["n"], { query }))[0]?.score).toBeCloseTo(1, 5);
    }
  });

  it("changes that come at once are all counted, and what cannot be embedded changes nothing", async () => {
    let broken = false;
    const store = new WaystoneStore(open(), {
      index: {
        dims: DIMS,
        embed: async (texts) => {
          if (broken) throw new Error("no embeddings today");
          return texts.map(embedText);
        },
      },
    });
    await Promise.all(Array.from({ length: 8 }, () => store.updateItem(["n"], "k", { increment: { visits: 1 } })));
    const item = await store.updateItem(["n"], "k", { merge: { text: "violin" } }, { expectedVersion: 8 });
    expect(item).toMatchObject({ value: { visits: 8, text: "violin" }, version: 9 });
    for (const options of [{ expectedVersion: 8 }, { expectedVersion: 0 }]) {
      await expect(store.updateItem(["n"], "k", {}, options)).rejects.toMatchObject({ code: "CONFLICT" });
    }
    const absent = store.updateItem(["n"], "other", {}, { ifPresent: true });
    await expect(absent).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(store.updateItem(["n"], "k", { increment: { text: 1 } })).rejects.toMatchObject({ code: "CONFLICT" });
    for (const options of [{ expectedVersion: -1 }, { ifPresent: 1 }, { ifPresent: true, expectedVersion: 0 }]) {
      await expect(store.updateItem(["n"], "k", {}, options as never)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    broken = true;
    await expect(store.updateItem(["n"], "k", { merge: { text: "swims" } })).rejects.toThrow("no embeddings");
    expect((await store.get(["n"], "k"))?.value).toEqual({ visits: 8, text: "violin" });
  });

  it("compares by dot product and by distance too", async () => {
    const vectors: Record<string, number[]> = { long: [10, 10], near: [1, 0], query: [1, 0.1] };
    for (const [distance, order] of [
      ["cosine", ["near", "long"]],
      ["dot", ["long", "near"]],
      ["euclidean", ["near", "long"]],
    ] as const) {
      const index: StoreIndex = { dims: 2, embed: async (texts) => texts.map((text) => vectors[text] ?? []), distance };
      const store = new WaystoneStore(open(), { index: { ...index, fields: ["text"] } });
      for (const text of ["long", "near"]) await store.put(["n"], text, { text });
      expect(near(await store.search(["n"], { query: "query" }))).toEqual(order);
      expect(near((await store.searchPage(["n"], { query: "query", limit: 1 })).items)).toEqual(order.slice(0, 1));
    }
  });

  it("neighbours and filters hold for meaning too", async () => {
    const store = await filled();
    await store.put(["u", "12"], "other", { text: MEMORIES.food.text, mine: false });
    expect(near(await store.search(["u", "1"], { query: "pizza", limit: 10 })).sort()).toEqual([
      "food",
      "travel",
      "work",
    ]);
    expect(near(await store.search([], { query: "pizza", filter: { mine: false } }))).toEqual(["other"]);
  });

  it("a text is what it was when it was put", async () => {
    const store = new WaystoneStore(open(), { index: { dims: DIMS, embed } });
    const value = { text: "before" };
    const put = store.put(["n"], "k", value);
    value.text = "after";
    await put;
    expect((await store.get(["n"], "k"))?.value).toEqual({ text: "before" });
  });
});

describe.each(BACKENDS)("on %s without vectors", (_name, open) => {
  it("what needs them is refused before anything is written", async () => {
    const storage = open();
    const embed = async (texts: string[]) => texts.map(embedText);
    const store = new WaystoneStore(withoutVectors(storage), { index: { dims: DIMS, embed } });
    await expect(store.put(["n"], "k", { text: "a" })).rejects.toBeInstanceOf(UnsupportedError);
    await expect(store.putItem(["n"], "k", { text: "a" })).rejects.toBeInstanceOf(UnsupportedError);
    await expect(store.updateItem(["n"], "k", { merge: { text: "a" } })).rejects.toBeInstanceOf(UnsupportedError);
    await expect(store.search(["n"], { query: "a" })).rejects.toBeInstanceOf(UnsupportedError);
    expect(await storage.countItems([])).toBe(0);
    await store.put(["n"], "k", { text: "a" }, false);
    expect(await store.search(["n"])).toHaveLength(1);
  });
});

/** The same storage as a backend that keeps no vectors shows it. */
function withoutVectors(storage: StorageBackend): ItemStorage {
  const refusing = ["putItem", "batchItems", "searchItems", "updateItem"];
  return new Proxy(storage, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        const isRefused = refusing.includes(String(name)) && bringsVectors(args);
        if (isRefused) throw new UnsupportedError("this store keeps no vectors");
        return Reflect.apply(member, target, args);
      };
    },
  });
}

function bringsVectors(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([key, each]) => ((key === "vectors" || key === "similarTo") && each !== undefined) || bringsVectors(each),
  );
}
