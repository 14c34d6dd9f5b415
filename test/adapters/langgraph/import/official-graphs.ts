// Real graphs over any saver: what they leave behind is what an import has to bring over, and what goes on afterwards.
import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  FunctionMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import {
  Annotation,
  Command,
  type CompiledStateGraph,
  interrupt,
  MessagesAnnotation,
  messagesStateReducer,
  Send,
  START,
  StateGraph,
} from "@langchain/langgraph";
import type { BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";

/** A graph of any state. */
type AnyGraph = Pick<CompiledStateGraph<unknown, unknown>, "invoke" | "getState" | "getStateHistory" | "updateState">;

const at = (thread_id: string): { configurable: { thread_id: string } } => ({ configurable: { thread_id } });

/** The graphs of one application, over its saver. */
export interface Application {
  readonly chat: AnyGraph;
  readonly approval: AnyGraph;
  readonly fan: AnyGraph;
  readonly nested: AnyGraph;
  readonly failing: AnyGraph;
}

export function makeApplication(saver: BaseCheckpointSaver): Application {
  return {
    chat: chatGraph(saver),
    approval: approvalGraph(saver),
    fan: fanGraph(saver),
    nested: nestedGraph(saver),
    failing: failingGraph(saver),
  };
}

/** The threads that `fillThreads` leaves, and the graph of each. */
export const THREADS: Readonly<Record<string, keyof Application>> = {
  "chat-1": "chat",
  "chat:1": "chat",
  "approval-open": "approval",
  "approval-done": "approval",
  "fan-1": "fan",
  "nested-1": "nested",
  "failing-1": "failing",
};

/** Runs the graphs: messages of all kinds, a fork, an open interrupt, a resumed one, sends, a subgraph, a failed task. */
export async function fillThreads(app: Application): Promise<void> {
  for (const message of everyMessage()) await app.chat.invoke({ messages: [message] }, at("chat-1"));
  await app.chat.invoke({ messages: [new HumanMessage("another thread")] }, at("chat:1"));
  await fork(app.chat, "chat-1");
  await app.approval.invoke({ messages: [new HumanMessage("buy it")] }, at("approval-open"));
  await app.approval.invoke({ messages: [new HumanMessage("sell it")] }, at("approval-done"));
  await app.approval.invoke(new Command({ resume: "yes" }), at("approval-done"));
  await app.fan.invoke({ items: ["a", "b", "c"] }, at("fan-1"));
  await app.nested.invoke({ log: ["start"] }, at("nested-1"));
  await app.failing.invoke({ log: ["start"] }, at("failing-1")).catch(() => undefined);
}

/** Goes back to an earlier state and on from there with another message. */
async function fork(graph: AnyGraph, thread: string): Promise<void> {
  const states = [];
  for await (const state of graph.getStateHistory(at(thread))) states.push(state);
  const earlier = states[5];
  if (earlier === undefined) throw new Error("the thread has no earlier state");
  const config = await graph.updateState(earlier.config, { messages: [new HumanMessage("what if")] });
  await graph.invoke(null, config);
}

function everyMessage(): BaseMessage[] {
  return [
    new SystemMessage("be short"),
    new HumanMessage({ id: "h1", content: [{ type: "text", text: "héllo \u{1f600}" }], name: "ada" }),
    new AIMessage({
      content: "",
      tool_calls: [{ id: "call-1", name: "search", args: { query: "x" }, type: "tool_call" }],
      additional_kwargs: { refusal: null },
      response_metadata: { model: "m" },
    }),
    new ToolMessage({ tool_call_id: "call-1", content: "found", status: "success", artifact: { rows: [1, 2] } }),
    new FunctionMessage({ name: "f", content: "old style" }),
    new ChatMessage({ role: "critic", content: "no" }),
    new AIMessageChunk({ content: "part", tool_call_chunks: [{ index: 0, args: '{"a"', name: "t", id: "c2" }] }),
  ];
}

function chatGraph(checkpointer: BaseCheckpointSaver): AnyGraph {
  return new StateGraph(MessagesAnnotation)
    .addNode("answer", ({ messages }) => ({ messages: [new AIMessage(`answer ${messages.length}`)] }))
    .addEdge(START, "answer")
    .compile({ checkpointer }) as unknown as AnyGraph;
}

function approvalGraph(checkpointer: BaseCheckpointSaver): AnyGraph {
  const State = Annotation.Root({
    messages: Annotation<BaseMessage[]>({ reducer: messagesStateReducer, default: () => [] }),
    answer: Annotation<string>,
  });
  return new StateGraph(State)
    .addNode("ask", () => ({ answer: String(interrupt({ question: "really?", options: ["yes", "no"] })) }))
    .addNode("tell", ({ answer }) => ({ messages: [new AIMessage({ id: "told", content: `you said ${answer}` })] }))
    .addEdge(START, "ask")
    .addEdge("ask", "tell")
    .compile({ checkpointer }) as unknown as AnyGraph;
}

function fanGraph(checkpointer: BaseCheckpointSaver): AnyGraph {
  const State = Annotation.Root({
    items: Annotation<string[]>,
    seen: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    bag: Annotation<unknown>,
  });
  return new StateGraph(State)
    .addNode("plan", () => ({
      bag: { map: new Map([["a", new Set([1, 2])]]), bytes: new Uint8Array([0, 254, 255]), pattern: /a+/gi },
    }))
    .addNode("work", ({ item }: { item: string }) => ({ seen: [item] }), {
      input: Annotation.Root({ item: Annotation<string> }),
    })
    .addNode("gather", () => ({ bag: new Uint8Array([255, 254, 0]) }))
    .addNode("last", () => ({ bag: undefined }))
    .addEdge(START, "plan")
    .addConditionalEdges("plan", ({ items }) => items.map((item) => new Send("work", { item })))
    .addEdge("work", "gather")
    .addEdge("gather", "last")
    .compile({ checkpointer }) as unknown as AnyGraph;
}

const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

/** A subgraph with an interrupt in it, so that its own namespace stays open. */
function nestedGraph(checkpointer: BaseCheckpointSaver): AnyGraph {
  const inner = new StateGraph(Log)
    .addNode("inner1", () => ({ log: ["inner1"] }))
    .addNode("inner2", () => ({ log: [`inner2 ${interrupt("go on?")}`] }))
    .addEdge(START, "inner1")
    .addEdge("inner1", "inner2")
    .compile();
  return new StateGraph(Log)
    .addNode("outer", () => ({ log: ["outer"] }))
    .addNode("sub", inner)
    .addEdge(START, "outer")
    .addEdge("outer", "sub")
    .compile({ checkpointer }) as unknown as AnyGraph;
}

/** One of two parallel tasks fails: the writes of the other one are pending. */
function failingGraph(checkpointer: BaseCheckpointSaver): AnyGraph {
  return new StateGraph(Log)
    .addNode("good", () => ({ log: ["good"] }))
    .addNode("bad", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error("it failed");
    })
    .addEdge(START, "good")
    .addEdge(START, "bad")
    .compile({ checkpointer }) as unknown as AnyGraph;
}
