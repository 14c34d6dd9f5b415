/**
 * What is run, killed and run again: each scenario begins or goes on from what the storage says, as an application would after a
 * crash, and ends with one log whatever happened on the way.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunnableConfig } from "@langchain/core/runnables";
import { Annotation, Command, interrupt, Send, START, StateGraph, type StateSnapshot } from "@langchain/langgraph";
import type { BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";

export interface Scenario {
  /** The log at the end. */
  readonly expected: readonly string[];
  run(context: Context): Promise<string[]>;
}

export interface Context {
  readonly checkpointer: BaseCheckpointSaver;
  readonly durability: "sync" | "async" | "exit";
  /** Writes a line that outlives the process. */
  note(line: string): void;
}

const THREAD = { configurable: { thread_id: "t" } };

const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

/** Everything but answers: parallel tasks, sends, and a graph in a graph. */
const parallel: Scenario = {
  expected: ["first", "left", "right", "inner1", "inner2", "s1", "s2", "s3", "last"],
  async run(context) {
    const inner = new StateGraph(Log)
      .addNode("inner1", () => work(context, "inner1"))
      .addNode("inner2", () => work(context, "inner2"))
      .addEdge(START, "inner1")
      .addEdge("inner1", "inner2")
      .compile();
    const graph = new StateGraph(Log)
      .addNode("first", () => work(context, "first"))
      .addNode("left", () => work(context, "left"))
      .addNode("right", () => work(context, "right"))
      .addNode("sent", ({ item }: { item: string }) => work(context, item))
      .addNode("nested", async () => ({ log: (await inner.invoke({})).log }))
      .addNode("last", () => work(context, "last"))
      .addEdge(START, "first")
      .addEdge("first", "left")
      .addEdge("first", "right")
      .addConditionalEdges("left", () => ["s1", "s2", "s3"].map((item) => new Send("sent", { item })))
      .addEdge("right", "nested")
      .addEdge(["sent", "nested"], "last")
      .compile({ checkpointer: context.checkpointer });
    return (await settle(context, graph)).values.log;
  },
};

/** Two people are asked at once, one of them by a graph in the graph. */
const interrupts: Scenario = {
  expected: ["before", "asked yes", "deep", "deep yes", "after"],
  async run(context) {
    const inner = new StateGraph(Log)
      .addNode("deep", () => work(context, "deep"))
      .addNode("ask_deep", () => work(context, `deep ${interrupt("deep?")}`))
      .addEdge(START, "deep")
      .addEdge("deep", "ask_deep")
      .compile();
    const graph = new StateGraph(Log)
      .addNode("before", () => work(context, "before"))
      .addNode("ask", () => work(context, `asked ${interrupt("ask?")}`))
      .addNode("inner", async () => ({ log: (await inner.invoke({})).log }))
      .addNode("after", () => work(context, "after"))
      .addEdge(START, "before")
      .addEdge("before", "ask")
      .addEdge("before", "inner")
      .addEdge(["ask", "inner"], "after")
      .compile({ checkpointer: context.checkpointer });
    return (await settle(context, graph)).values.log;
  },
};

/** A finished run is edited, goes on, and is edited again. */
const updates: Scenario = {
  expected: ["a", "b", "edit 1", "b2", "edit 2"],
  async run(context) {
    const graph = new StateGraph(Log)
      .addNode("a", () => work(context, "a"))
      .addNode("b", ({ log }) => work(context, log.includes("edit 1") ? "b2" : "b"))
      .addEdge(START, "a")
      .addEdge("a", "b")
      .compile({ checkpointer: context.checkpointer });
    for (const [edit, asNode] of [
      ["edit 1", "a"],
      ["edit 2", "b"],
    ] as const) {
      const { log } = (await settle(context, graph)).values;
      if (!log.includes(edit)) await update(context, graph, edit, asNode);
    }
    return (await settle(context, graph)).values.log;
  },
};

/** A person changes their mind: the state at the question is found in the history, and a second branch grows from it. */
function secondThoughts(
  begin: (context: Context, graph: LogGraph, asked: StateSnapshot) => Promise<unknown>,
): Scenario {
  return {
    expected: ["before", "said no", "after no"],
    async run(context) {
      const graph = answerGraph(context);
      const { values } = await settle(context, graph, async () =>
        (await firstBranch(graph)) === undefined ? "yes" : "no",
      );
      if (values.log.includes("after yes")) {
        const asked = (await historyOf(graph)).find(
          ({ next, values: { log } }) => next.includes("ask") && log.length === 1,
        );
        if (asked === undefined) throw new Error("the history has no question");
        await begin(context, graph, asked);
      }
      const second = await settle(context, graph, () => "no");
      const first = (await firstBranch(graph))?.values.log;
      if (JSON.stringify(first) !== '["before","said yes","after yes"]')
        throw new Error(`the first branch is ${first}`);
      return second.values.log;
    },
  };
}

function answerGraph(context: Context): LogGraph {
  return new StateGraph(Log)
    .addNode("before", () => work(context, "before"))
    .addNode("ask", () => work(context, `said ${interrupt("ask?")}`))
    .addNode("after", ({ log }) => work(context, `after ${log.at(-1)?.split(" ")[1]}`))
    .addEdge(START, "before")
    .addEdge("before", "ask")
    .addEdge("ask", "after")
    .compile({ checkpointer: context.checkpointer });
}

/** The end of the branch that said yes. */
async function firstBranch(graph: LogGraph): Promise<StateSnapshot | undefined> {
  return (await historyOf(graph)).find(({ values }) => values.log?.includes("after yes"));
}

/** Runs that are watched as they go: three turns, each streamed to its end. */
const streaming: Scenario = {
  expected: ["q1", "a1", "q2", "a2", "q3", "a3"],
  async run(context) {
    const graph = new StateGraph(Log)
      .addNode("read", ({ log }) => work(context, `q${log.length / 2 + 1}`))
      .addNode("answer", ({ log }) => work(context, `a${(log.length + 1) / 2}`))
      .addEdge(START, "read")
      .addEdge("read", "answer")
      .compile({ checkpointer: context.checkpointer });
    for (;;) {
      const { tasks, values } = await graph.getState(THREAD);
      const { log = [] } = values;
      if (log.length === 6 && tasks.length === 0) return log;
      let seen: readonly string[] = [];
      const { durability } = context;
      const stream = await graph.stream(tasks.length === 0 ? {} : null, {
        ...THREAD,
        durability,
        streamMode: "values",
      });
      for await (const chunk of stream) {
        seen = chunk.log;
        await sleep(Math.random() * 3);
      }
      const stored = (await graph.getState(THREAD)).values.log;
      if (seen.join() !== stored.join()) throw new Error(`streamed ${seen}, stored ${stored}`);
      for (const name of stored) context.note(`acknowledged ${name}`);
    }
  },
};

export const SCENARIOS: { readonly [name: string]: Scenario } = {
  "parallel tasks, sends and subgraphs": parallel,
  "interrupts, also of a subgraph": interrupts,
  "updates of the state": updates,
  "a fork from the history": secondThoughts(async (_context, graph, asked) => {
    await graph.updateState(asked.config, { log: [] }, "before");
  }),
  "time travel": secondThoughts(async ({ durability }, graph, asked) => {
    await graph.invoke(null, { ...asked.config, durability });
  }),
  streaming,
};

/** What scenarios ask of a graph, whatever its nodes are called. */
interface LogGraph {
  invoke(
    input: object | null,
    config: RunnableConfig & { durability: Context["durability"] },
  ): Promise<{ log?: string[] }>;
  getState(config: RunnableConfig, options?: { subgraphs: boolean }): Promise<StateSnapshot>;
  getStateHistory(config: RunnableConfig): AsyncIterable<StateSnapshot>;
  updateState(config: RunnableConfig, values: { log: string[] }, asNode?: string): Promise<RunnableConfig>;
}

/** A task: says that it runs, takes a while, and leaves its name. */
async function work({ note }: Context, name: string): Promise<{ log: string[] }> {
  note(`run ${name}`);
  await sleep(Math.random() * 8);
  return { log: [name] };
}

/** Begins the graph, or goes on, and answers what it asks, until nothing is left to do. */
async function settle(
  context: Context,
  graph: LogGraph,
  answer: () => string | Promise<string> = () => "yes",
): Promise<StateSnapshot> {
  const { durability, note } = context;
  const options = { ...THREAD, durability };
  for (;;) {
    const state = await graph.getState(THREAD, { subgraphs: true });
    // `next` leaves out tasks whose writes are stored, which still have to become a checkpoint.
    if (state.tasks.length === 0 && state.createdAt !== undefined) return state;
    const asked = state.tasks.flatMap(({ interrupts: asked }) => asked);
    const said = await answer();
    const input =
      asked.length > 0 ? new Command({ resume: Object.fromEntries(asked.map(({ id }) => [id ?? "", said])) }) : null;
    const { log } = await graph.invoke(state.createdAt === undefined ? {} : input, options);
    // A run that returned has been stored, whatever its durability.
    for (const name of log ?? []) note(`acknowledged ${name}`);
  }
}

/** An update is not a task: what is promised is that one that returned is there. */
async function update(context: Context, graph: LogGraph, edit: string, asNode: string): Promise<void> {
  context.note(`run update: ${edit}`);
  await graph.updateState(THREAD, { log: [edit] }, asNode);
  context.note(`acknowledged update: ${edit}`);
}

async function historyOf(graph: LogGraph): Promise<StateSnapshot[]> {
  const history: StateSnapshot[] = [];
  for await (const snapshot of graph.getStateHistory(THREAD)) history.push(snapshot);
  return history;
}
