/**
 * A process that asks a graph one question, and prints how often its cached node ran and what came of it. Arguments: the file,
 * seconds that entries of the cache live.
 */
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { Annotation, messagesStateReducer, START, StateGraph } from "@langchain/langgraph";
import { WaystoneCache } from "waystone/langgraph";
import { sqliteStorage } from "waystone/sqlite";

const [path = "", seconds = ""] = process.argv.slice(2);
const State = Annotation.Root({
  messages: Annotation<BaseMessage[]>({ reducer: messagesStateReducer, default: () => [] }),
  seen: Annotation<Map<string, Date>>(),
});
const storage = sqliteStorage(path);
let runs = 0;
const graph = new StateGraph(State)
  .addNode(
    "answer",
    () => {
      runs += 1;
      const answer = new AIMessage({ content: `written by process ${process.pid}`, id: "a" });
      return { messages: [answer], seen: new Map([["answer", new Date(7)]]) };
    },
    { cachePolicy: { ttl: Number(seconds) } },
  )
  .addEdge(START, "answer")
  .compile({ cache: new WaystoneCache(storage) });

const { messages, seen } = await graph.invoke({ messages: [new HumanMessage({ content: "Who?", id: "q" })] });
await storage.close();
const values = [...messages, seen, seen.get("answer") ?? {}];
console.log(
  JSON.stringify({
    runs,
    answer: messages.at(-1)?.content,
    classes: values.map((value) => value.constructor.name),
  }),
);
