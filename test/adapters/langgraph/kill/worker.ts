/**
 * The process that is killed: runs one graph on a file, or goes on with it, and writes down each task that runs and each whose
 * writes are acknowledged. Arguments: the file, the journal, the durability mode.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunnableConfig } from "@langchain/core/runnables";
import { Annotation, Send, START, StateGraph } from "@langchain/langgraph";
import type { PendingWrite } from "@langchain/langgraph-checkpoint";
import { WaystoneSaver } from "waystone/langgraph";
import { sqliteStorage } from "waystone/sqlite";

const [path = "", journal = "", mode = "sync"] = process.argv.slice(2);
const note = (line: string): void => appendFileSync(journal, `${line}\n`);

class NotingSaver extends WaystoneSaver {
  override async putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string, taskPath?: string) {
    await super.putWrites(config, writes, taskId, taskPath);
    for (const [channel, value] of writes) if (channel === "log") note(`acknowledged ${value}`);
  }
}

const work = async (name: string): Promise<{ log: string[] }> => {
  note(`run ${name}`);
  await sleep(Math.random() * 8);
  return { log: [name] };
};
const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});
const inner = new StateGraph(Log)
  .addNode("inner1", () => work("inner1"))
  .addNode("inner2", () => work("inner2"))
  .addEdge(START, "inner1")
  .addEdge("inner1", "inner2")
  .compile();
const storage = sqliteStorage(path);
const graph = new StateGraph(Log)
  .addNode("first", () => work("first"))
  .addNode("left", () => work("left"))
  .addNode("right", () => work("right"))
  .addNode("sent", ({ item }: { item: string }) => work(item))
  .addNode("nested", async () => {
    await inner.invoke({});
    return {};
  })
  .addNode("last", () => work("last"))
  .addEdge(START, "first")
  .addEdge("first", "left")
  .addEdge("first", "right")
  .addConditionalEdges("left", () => ["s1", "s2", "s3"].map((item) => new Send("sent", { item })))
  .addEdge("right", "nested")
  .addEdge(["sent", "nested"], "last")
  .compile({ checkpointer: new NotingSaver(storage) });

const config = { configurable: { thread_id: "t" }, durability: mode as "sync" | "async" };
const before = await graph.getState(config);
const { log } = await graph.invoke(before.config.configurable?.checkpoint_id === undefined ? {} : null, config);
await storage.close();
note(`done ${JSON.stringify(log)}`);
