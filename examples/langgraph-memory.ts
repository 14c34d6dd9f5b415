// One storage serves LangGraph's checkpointer, its long-term memory and its node cache: a fact of one thread is known in another.
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { type LangGraphRunnableConfig, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { openStorage } from "waystone";
import { WaystoneCache, WaystoneSaver, WaystoneStore } from "waystone/langgraph";

await using storage = await openStorage("memory:");
const store = new WaystoneStore(storage, { ttl: { defaultTtl: 90 * 24 * 60 } });

let lookups = 0;
const graph = new StateGraph(MessagesAnnotation)
  .addNode(
    "timetable",
    () => {
      lookups += 1;
      return { messages: [new AIMessage({ content: "TGV 6607 leaves at 8:59.", id: "timetable" })] };
    },
    // The same answer for everybody, for an hour.
    { cachePolicy: { ttl: 3600, keyFunc: () => "today" } },
  )
  .addNode("answer", async ({ messages }, config: LangGraphRunnableConfig) => {
    const memories = ["users", String(config.configurable?.user)];
    const said = String(messages.findLast((message) => message instanceof HumanMessage)?.content);
    if (said.startsWith("I ")) await store.put(memories, said, { fact: said });
    const known = await store.search(memories);
    return { messages: [new AIMessage(`You told me: ${known.map(({ value }) => value.fact).join(" ") || "nothing"}`)] };
  })
  .addEdge(START, "timetable")
  .addEdge("timetable", "answer")
  .compile({ checkpointer: new WaystoneSaver(storage), store, cache: new WaystoneCache(storage) });

const say = async (user: string, thread: string, text: string): Promise<void> => {
  const config = { configurable: { thread_id: thread, user } };
  const { messages } = await graph.invoke({ messages: [new HumanMessage(text)] }, config);
  console.log(`${user} in ${thread}: ${messages.at(-1)?.content}`);
};
await say("ada", "trip-1", "I travel with a dog.");
await say("ada", "trip-2", "When does the train leave?");
await say("bob", "trip-3", "When does the train leave?");
console.log("looked up:", lookups, "time");

// What other stores lack: a change without reading first, a write on the version that was seen, counts and pages.
const seen = await store.updateItem(["counters"], "questions", { increment: { asked: 1 } });
await store.updateItem(["counters"], "questions", { increment: { asked: 2 } });
const late = store.putItem(["counters"], "questions", { asked: 0 }, { expectedVersion: seen.version });
console.log("a late write:", await late.catch((error: Error) => error.name));
console.log("memories:", await store.countItems(["users"]));
const { items, nextCursor } = await store.searchPage([], { orderBy: "key", limit: 1 });
console.log("first page:", items[0]?.namespace.join("/"), items[0]?.value, nextCursor === undefined ? "" : "and more");
console.log("forgotten:", await store.deleteItems(["users", "ada"]));
