// The examples of LangGraph's documentation for memory: what a user said in one thread is known in another.
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { type LangGraphRunnableConfig, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { WaystoneSaver, WaystoneStore } from "../../../../src/adapters/langgraph/index.js";
import { BACKENDS } from "../backends.js";

describe.each(BACKENDS)("on %s", (_name, open) => {
  it("facts of a user are remembered across threads, and no other user's are", async () => {
    const storage = open();
    const remember = async (state: typeof MessagesAnnotation.State, config: LangGraphRunnableConfig) => {
      const { store } = config;
      if (store === undefined) throw new Error("the graph has a store");
      const namespace = ["memories", String(config.configurable?.user_id)];
      const memories = await store.search(namespace);
      const known = memories.map(({ value }) => value.data).join("\n");
      const said = String(state.messages.at(-1)?.content);
      const fact = /remember:? (.+)/i.exec(said)?.[1];
      if (fact !== undefined) await store.put(namespace, `fact-${memories.length}`, { data: fact });
      return { messages: [new AIMessage(known === "" ? "I know nothing of you." : `I know: ${known}`)] };
    };
    // Another process would have a graph of its own.
    const build = () =>
      new StateGraph(MessagesAnnotation)
        .addNode("call_model", remember)
        .addEdge(START, "call_model")
        .compile({ checkpointer: new WaystoneSaver(storage), store: new WaystoneStore(storage) });
    const say = async (text: string, thread: string, user: string) => {
      const config = { configurable: { thread_id: thread, user_id: user } };
      const { messages } = await build().invoke({ messages: [new HumanMessage(text)] }, config);
      return messages.at(-1)?.content;
    };
    expect(await say("Hi! Remember: my name is Bob", "1", "bob")).toBe("I know nothing of you.");
    expect(await say("What is my name?", "2", "bob")).toBe("I know: my name is Bob");
    expect(await say("What is my name?", "3", "bo")).toBe("I know nothing of you.");
    await new WaystoneSaver(storage).deleteThread("1");
    expect(await say("And now?", "4", "bob")).toBe("I know: my name is Bob");
  });

  it("the store by itself: put, get, search, list", async () => {
    const store = new WaystoneStore(open());
    const namespace = ["1", "memories"];
    await store.put(namespace, "a-memory", { food_preference: "I like pizza", rules: ["short"], "my-key": "my-value" });
    const [memory] = await store.search(namespace);
    expect(memory).toMatchObject({ value: { food_preference: "I like pizza" }, key: "a-memory", namespace });
    expect(await store.search(["1"], { filter: { "my-key": "my-value" } })).toHaveLength(1);
    expect(await store.search(["1"], { filter: { "my-key": "another" } })).toEqual([]);
    expect(await store.get(namespace, "a-memory")).toEqual(memory);
    expect(await store.listNamespaces({ prefix: ["1"], maxDepth: 1 })).toEqual([["1"]]);
    await store.delete(namespace, "a-memory");
    expect(await store.get(namespace, "a-memory")).toBeNull();
  });

  it("nodes that use the store at the same time share calls, and each gets its own answer", async () => {
    const store = new WaystoneStore(open());
    const names = ["a", "b", "c", "d"];
    const graph = new StateGraph(MessagesAnnotation);
    for (const name of names) {
      const node = async (_: unknown, config: LangGraphRunnableConfig) => {
        await config.store?.put(["n"], name, { name });
        const item = await config.store?.get(["n"], name);
        return { messages: [new AIMessage(String(item?.value.name))] };
      };
      (graph as StateGraph<unknown>).addNode(name, node as never).addEdge(START as never, name as never);
    }
    const { messages } = await graph.compile({ store }).invoke({ messages: [] });
    expect(messages.map(({ content }) => content).sort()).toEqual(names);
  });
});
