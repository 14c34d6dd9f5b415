// LangGraph on Waystone: a graph that waits for a person, goes on later, and is looked at, copied and pruned.
import { HumanMessage } from "@langchain/core/messages";
import {
  Command,
  INTERRUPT,
  interrupt,
  isInterrupted,
  MessagesAnnotation,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { openStorage } from "waystone";
import { WaystoneSaver } from "waystone/langgraph";

await using storage = await openStorage("memory:");
const saver = new WaystoneSaver(storage, { compareAndSet: true });

const graph = new StateGraph(MessagesAnnotation)
  .addNode("plan", () => ({ messages: [{ role: "assistant", content: "TGV 6607 for 59 EUR?" }] }))
  .addNode("book", () => {
    const answer = interrupt("Book it?");
    return { messages: [{ role: "assistant", content: answer === "yes" ? "Booked." : "Not booked." }] };
  })
  .addEdge(START, "plan")
  .addEdge("plan", "book")
  .compile({ checkpointer: saver });

const config = { configurable: { thread_id: "trip-1" } };
const waiting: unknown = await graph.invoke({ messages: [new HumanMessage("Paris to Lyon, please")] }, config);
if (isInterrupted(waiting)) console.log("waits:", waiting[INTERRUPT][0]?.value);

// An experiment on a copy leaves the original waiting.
await saver.copyThread("trip-1", "what-if");
const refused = await graph.invoke(new Command({ resume: "no" }), { configurable: { thread_id: "what-if" } });
console.log("the copy:", refused.messages.at(-1)?.content);

// Another process would do this with a saver of its own; `plan` does not run again.
const done = await graph.invoke(new Command({ resume: "yes" }), config);
for (const message of done.messages) console.log(`  ${message.constructor.name}: ${message.content}`);

for await (const { metadata } of graph.getStateHistory(config))
  console.log(`step ${metadata?.step}: ${metadata?.source}`);

const report = await saver.prune({ threadId: "trip-1", keepLast: 1 });
console.log("pruned:", report.removedCheckpoints, "removed,", report.keptCheckpoints, "kept");
const threads = await saver.listThreads({ orderBy: "createdAt", direction: "asc" });
console.log(
  "threads:",
  threads.items.map(({ threadId, checkpointCount }) => `${threadId} (${checkpointCount})`).join(", "),
);
