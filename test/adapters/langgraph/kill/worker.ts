/**
 * The process that is killed: runs a scenario on a file, or goes on with it, and writes down each task that runs and each whose
 * writes are acknowledged. Arguments: the file, the journal, the durability mode, the scenario.
 */
import { appendFileSync } from "node:fs";
import type { RunnableConfig } from "@langchain/core/runnables";
import type { PendingWrite } from "@langchain/langgraph-checkpoint";
import { WaystoneSaver } from "waystone/langgraph";
import { sqliteStorage } from "waystone/sqlite";
import { type Context, SCENARIOS } from "./scenarios.ts";

const [path = "", journal = "", durability = "sync", name = ""] = process.argv.slice(2);
const scenario = SCENARIOS[name];
if (scenario === undefined) throw new Error(`no scenario ${name}`);
const note = (line: string): void => appendFileSync(journal, `${line}\n`);

class NotingSaver extends WaystoneSaver {
  override async putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string, taskPath?: string) {
    await super.putWrites(config, writes, taskId, taskPath);
    for (const [channel, value] of writes)
      if (channel === "log") for (const each of [value].flat()) note(`acknowledged ${each}`);
  }
}

const storage = sqliteStorage(path);
const checkpointer = new NotingSaver(storage);
const log = await scenario.run({ checkpointer, durability: durability as Context["durability"], note });
await storage.close();
note(`done ${JSON.stringify(log)}`);
