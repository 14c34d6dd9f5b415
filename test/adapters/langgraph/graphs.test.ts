// Real graphs on real savers; on SQLite every step opens the file anew, as another process would.
import { AIMessage, HumanMessage, RemoveMessage } from "@langchain/core/messages";
import {
  Annotation,
  Command,
  END,
  INTERRUPT,
  interrupt,
  isInterrupted,
  MessagesAnnotation,
  Send,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import type { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { type OpenSaver, STORAGES } from "./storages.js";

const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

function thread(id: string, more: Record<string, unknown> = {}) {
  return { configurable: { thread_id: id, ...more } };
}

/** One turn a call; the answer says how many messages there were. */
function chat(checkpointer: WaystoneSaver) {
  return new StateGraph(MessagesAnnotation)
    .addNode("answer", ({ messages }) => ({ messages: [new AIMessage(`${messages.length}`)] }))
    .addEdge(START, "answer")
    .addEdge("answer", END)
    .compile({ checkpointer });
}

describe.each(STORAGES)("on %s", (_name, storages) => {
  it("a conversation goes on where it was", async () => {
    const open = storages();
    for (const [turn, text] of ["a", "b", "c"].entries()) {
      const { messages } = await chat(await open()).invoke({ messages: [new HumanMessage(text)] }, thread("t"));
      expect(messages).toHaveLength(2 * turn + 2);
      expect(messages.at(-1)?.content).toBe(`${2 * turn + 1}`);
    }
    const { values } = await chat(await open()).getState(thread("t"));
    expect(values.messages.map((message: { content: unknown }) => message.content)).toEqual([
      "a",
      "1",
      "b",
      "3",
      "c",
      "5",
    ]);
    expect(values.messages[0]).toBeInstanceOf(HumanMessage);
    expect(values.messages[1]).toBeInstanceOf(AIMessage);
  });

  it("threads with ids that begin alike stay apart", async () => {
    const open = storages();
    const ids = ["user", "user:1", "user*", "user|1", "__proto__"];
    for (const id of ids) await chat(await open()).invoke({ messages: [new HumanMessage(id)] }, thread(id));
    await (await open()).deleteThread("user");
    for (const id of ids) {
      const { values } = await chat(await open()).getState(thread(id));
      expect(values.messages?.[0]?.content).toBe(id === "user" ? undefined : id);
    }
  });

  it("messages are removed and edited by id", async () => {
    const open = storages();
    await chat(await open()).invoke({ messages: [new HumanMessage({ content: "a", id: "1" })] }, thread("t"));
    await chat(await open()).updateState(thread("t"), { messages: [new RemoveMessage({ id: "1" })] });
    const { values } = await chat(await open()).getState(thread("t"));
    expect(values.messages).toHaveLength(1);
  });

  it("an interrupt waits, and resumes without repeating what was done", async () => {
    const open = storages();
    const runs = { before: 0, other: 0 };
    const build = (checkpointer: WaystoneSaver) =>
      new StateGraph(Log)
        .addNode("before", () => {
          runs.before += 1;
          return { log: ["before"] };
        })
        .addNode("ask", () => ({ log: [`first ${interrupt("one?")}`, `second ${interrupt({ ask: "two?" })}`] }))
        .addNode("other", () => {
          runs.other += 1;
          return { log: ["other"] };
        })
        .addEdge(START, "before")
        .addEdge("before", "ask")
        .addEdge("before", "other")
        .compile({ checkpointer });
    const first: unknown = await build(await open()).invoke({}, thread("t"));
    expect(isInterrupted(first) && first[INTERRUPT][0]?.value).toBe("one?");
    const waiting = await build(await open()).getState(thread("t"));
    expect(waiting.next).toEqual(["ask"]);
    expect(waiting.tasks.find(({ name }) => name === "ask")?.interrupts[0]?.value).toBe("one?");
    const second: unknown = await build(await open()).invoke(new Command({ resume: 1 }), thread("t"));
    expect(isInterrupted(second) && second[INTERRUPT][0]?.value).toEqual({ ask: "two?" });
    const done = await build(await open()).invoke(new Command({ resume: 2 }), thread("t"));
    expect(done.log).toEqual(["before", "first 1", "second 2", "other"]);
    expect(runs).toEqual({ before: 1, other: 1 });
  });

  it("of parallel tasks only those that failed run again", async () => {
    const open = storages();
    const runs = { a: 0, b: 0 };
    const build = (checkpointer: WaystoneSaver) =>
      new StateGraph(Log)
        .addNode("a", () => {
          runs.a += 1;
          return { log: [`a${runs.a}`] };
        })
        .addNode("b", async () => {
          runs.b += 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
          if (runs.b === 1) throw new Error("not yet");
          return { log: [`b${runs.b}`] };
        })
        .addEdge(START, "a")
        .addEdge(START, "b")
        .compile({ checkpointer });
    await expect(build(await open()).invoke({}, thread("t"))).rejects.toThrow("not yet");
    const done = await build(await open()).invoke(null, thread("t"));
    expect(done.log).toEqual(["a1", "b2"]);
  });

  it("sends fan out and their order is kept", async () => {
    const open = storages();
    const build = (checkpointer: WaystoneSaver) =>
      new StateGraph(Annotation.Root({ ...Log.spec, items: Annotation<string[]> }))
        .addNode("split", () => ({}))
        .addNode("work", (state: { item: string }) => ({ log: [`${state.item}${interruptOn(state.item)}`] }))
        .addEdge(START, "split")
        .addConditionalEdges("split", ({ items }) => items.map((item) => new Send("work", { item })))
        .compile({ checkpointer });
    const stopped: unknown = await build(await open()).invoke({ items: ["x", "ask", "y"] }, thread("t"));
    expect(isInterrupted(stopped)).toBe(true);
    const done = await build(await open()).invoke(new Command({ resume: "!" }), thread("t"));
    expect(done.log).toEqual(["x", "ask!", "y"]);
  });

  it("subgraphs keep their own state, nested ones too", async () => {
    const open = storages();
    const build = (checkpointer: WaystoneSaver) => {
      const inner = new StateGraph(Log)
        .addNode("deep", () => ({ log: [`deep ${interrupt("deep?")}`] }))
        .addEdge(START, "deep")
        .compile();
      const middle = new StateGraph(Log)
        .addNode("begin", () => ({ log: ["begin"] }))
        .addNode("inner", inner)
        .addEdge(START, "begin")
        .addEdge("begin", "inner")
        .compile();
      return new StateGraph(Log).addNode("middle", middle).addEdge(START, "middle").compile({ checkpointer });
    };
    await build(await open()).invoke({}, thread("t"));
    const state = await build(await open()).getState(thread("t"), { subgraphs: true });
    expect(JSON.stringify(state.tasks)).toContain("deep?");
    const namespaces = new Set<string>();
    for await (const { config } of (await open()).list(thread("t"))) namespaces.add(config.configurable?.checkpoint_ns);
    expect([...namespaces].some((each) => each.includes("|") && each.includes(":"))).toBe(true);
    const done = await build(await open()).invoke(new Command({ resume: "yes" }), thread("t"));
    // A subgraph hands its whole log to its parent, which appends it to its own.
    expect(done.log).toEqual(["begin", "begin", "deep yes"]);
  });

  it("history is read back, replayed and forked", async () => {
    const open = storages();
    await turns(open, ["a", "b"]);
    const history = await historyOf(chat(await open()));
    expect(history.map(({ metadata }) => metadata?.step)).toEqual([4, 3, 2, 1, 0, -1]);
    const middle = history.find(({ metadata }) => metadata?.step === 1);
    const forked = await chat(await open()).updateState(middle?.config ?? {}, {
      messages: [new HumanMessage("other")],
    });
    const { values } = await chat(await open()).getState(forked);
    expect(values.messages.at(-1).content).toBe("other");
    const latest = await chat(await open()).getState(thread("t"));
    expect(latest.config.configurable?.checkpoint_id).toBe(forked.configurable?.checkpoint_id);
    expect(latest.parentConfig?.configurable?.checkpoint_id).toBe(middle?.config.configurable?.checkpoint_id);
    expect(await historyOf(chat(await open()))).toHaveLength(7);
    // The other branch is whole.
    expect((await chat(await open()).getState(history[0]?.config ?? {})).values.messages).toHaveLength(4);
  });

  it("time travel: from a question in the past another answer grows, and the first one stays", async () => {
    const open = storages();
    const build = (checkpointer: WaystoneSaver) =>
      new StateGraph(Log)
        .addNode("before", () => ({ log: ["before"] }))
        .addNode("ask", () => ({ log: [`said ${interrupt("well?")}`] }))
        .addNode("after", () => ({ log: ["after"] }))
        .addEdge(START, "before")
        .addEdge("before", "ask")
        .addEdge("ask", "after")
        .compile({ checkpointer });
    await build(await open()).invoke({}, thread("t"));
    const question = await build(await open()).getState(thread("t"));
    const first = await build(await open()).invoke(new Command({ resume: "yes" }), thread("t"));
    expect(first.log).toEqual(["before", "said yes", "after"]);
    const end = await build(await open()).getState(thread("t"));
    const again: unknown = await build(await open()).invoke(null, question.config);
    expect(isInterrupted(again) && again[INTERRUPT][0]?.value).toBe("well?");
    const second = await build(await open()).invoke(new Command({ resume: "no" }), thread("t"));
    expect(second.log).toEqual(["before", "said no", "after"]);
    expect((await build(await open()).getState(thread("t"))).values).toEqual(second);
    expect((await build(await open()).getState(end.config)).values).toEqual(first);
  });

  it("a checkpoint is copied, also the first one, which has no parent", async () => {
    const open = storages();
    await turns(open, ["a"]);
    for (const from of await historyOf(chat(await open()))) {
      const copy = await chat(await open()).updateState(from.config, null, "__copy__");
      const { values } = await chat(await open()).getState(copy);
      expect(values).toEqual(from.values);
    }
  });

  it("pages of history meet without a gap", async () => {
    const open = storages();
    await turns(open, ["a", "b", "c"]);
    const saver = await open();
    const all: string[] = [];
    for await (const { checkpoint } of saver.list(thread("t"))) all.push(checkpoint.id);
    const paged: string[] = [];
    for (;;) {
      const before = paged.at(-1);
      const page: string[] = [];
      const options = { limit: 2, ...(before === undefined ? {} : { before: thread("t", { checkpoint_id: before }) }) };
      for await (const { checkpoint } of saver.list(thread("t"), options)) page.push(checkpoint.id);
      if (page.length === 0) break;
      paged.push(...page);
    }
    expect(paged).toEqual(all);
    expect(all).toHaveLength(9);
  });

  it.each(["sync", "async", "exit"] as const)("durability %s ends in the same state", async (durability) => {
    const open = storages();
    for (const text of ["a", "b"]) {
      await chat(await open()).invoke({ messages: [new HumanMessage(text)] }, { ...thread("t"), durability });
    }
    const { values } = await chat(await open()).getState(thread("t"));
    expect(values.messages.map((message: { content: unknown }) => message.content)).toEqual(["a", "1", "b", "3"]);
    expect(await historyOf(chat(await open()))).toHaveLength(durability === "exit" ? 2 : 6);
  });

  it("streams every mode", async () => {
    const open = storages();
    const modes = new Set<string>();
    const input = { messages: [new HumanMessage("a")] };
    const options = { ...thread("t"), streamMode: ["values", "updates", "checkpoints", "tasks"] as const };
    const stream = await chat(await open()).stream(input, { ...options, streamMode: [...options.streamMode] });
    for await (const [mode] of stream) modes.add(mode as string);
    expect([...modes].sort()).toEqual(["checkpoints", "tasks", "updates", "values"]);
  });

  it("values that JSON does not know pass through a graph", async () => {
    const open = storages();
    const state = {
      big: 2n ** 64n,
      at: new Date(5),
      map: new Map([["k", new Set([1])]]),
      bytes: new Uint8Array([255, 0]),
      poison: { lc: 1, type: "constructor", id: ["evil"], kwargs: {} },
    };
    const build = (checkpointer: WaystoneSaver) =>
      new StateGraph(Annotation.Root({ value: Annotation<typeof state> }))
        .addNode("keep", ({ value }) => ({ value }))
        .addEdge(START, "keep")
        .compile({ checkpointer });
    await build(await open()).invoke({ value: state }, thread("t"));
    const { values } = await build(await open()).getState(thread("t"));
    expect(values.value).toStrictEqual(state);
  });
});

/** Asks a person for one of the items. */
function interruptOn(item: string): string {
  return item === "ask" ? interrupt("which?") : "";
}

async function turns(open: OpenSaver, texts: readonly string[]): Promise<void> {
  for (const text of texts) await chat(await open()).invoke({ messages: [new HumanMessage(text)] }, thread("t"));
}

async function historyOf(graph: ReturnType<typeof chat>) {
  const history = [];
  for await (const snapshot of graph.getStateHistory(thread("t"))) history.push(snapshot);
  return history;
}
