// States that are not complete without their parents: delta channels, and sends of checkpoints from before version 4.
import { Annotation, DeltaChannel, START, StateGraph } from "@langchain/langgraph";
import { type BaseCheckpointSaver, emptyCheckpoint, TASKS, uuid6 } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { importLangGraph, WaystoneSaver } from "../../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import { DATABASES } from "./official-databases.js";

const config = { configurable: { thread_id: "deltas" } };

function deltaGraph(checkpointer: BaseCheckpointSaver) {
  const append = (state: string[], writes: string[][]): string[] => [...state, ...writes.flat()];
  return new StateGraph(
    Annotation.Root({ log: new DeltaChannel<string[], string[]>(append, { snapshotFrequency: 4 }) as never }),
  )
    .addNode("add", () => ({ log: ["answer"] }) as never)
    .addEdge(START, "add")
    .compile({ checkpointer });
}

describe.each(DATABASES)("threads of %s whose states depend on each other", (_name, makeDatabase) => {
  it("are rebuilt from the writes that came over, and pruning keeps what they need", async () => {
    const theirs = await makeDatabase();
    const before = deltaGraph(theirs.saver);
    for (const word of ["one", "two", "three"]) await before.invoke({ log: [word] } as never, config);
    const storage = memoryStorage();
    const { findings } = await importLangGraph(theirs.url, storage, { threadIds: ["deltas"] });
    expect(Object.values(findings).every((each) => each === 0)).toBe(true);
    await storage.pruneCheckpoints({ threadId: "deltas", keepLast: 1 });
    const after = deltaGraph(new WaystoneSaver(storage));
    const log = ["one", "answer", "two", "answer", "three", "answer"];
    expect((await after.getState(config)).values).toEqual({ log });
    expect((await before.getState(config)).values).toEqual({ log });
    expect(await after.invoke({ log: ["four"] } as never, config)).toEqual({ log: [...log, "four", "answer"] });
  });

  it("have the sends that were writes of the parent before version 4", async () => {
    const theirs = await makeDatabase();
    const place = { configurable: { thread_id: "old", checkpoint_ns: "" } };
    const metadata = { source: "loop", step: 0, parents: {} } as const;
    const state = (at: number) => ({ ...emptyCheckpoint(), v: 3, id: uuid6(at), channel_versions: { a: at + 1 } });
    const parent = await theirs.saver.put(place, state(0), metadata, {});
    await theirs.saver.putWrites(
      parent,
      [
        [TASKS, "one"],
        [TASKS, "two"],
      ],
      "task-a",
    );
    await theirs.saver.putWrites(parent, [[TASKS, "three"]], "task-b");
    await theirs.saver.put(parent, state(1), { ...metadata, step: 1 }, {});
    const storage = memoryStorage();
    await importLangGraph(theirs.url, storage, { threadIds: ["old"] });
    const [ours, their] = await Promise.all([new WaystoneSaver(storage).getTuple(place), theirs.saver.getTuple(place)]);
    expect(ours?.checkpoint.channel_values[TASKS]).toEqual(["one", "two", "three"]);
    expect(ours?.checkpoint.channel_versions).toEqual(their?.checkpoint.channel_versions);
  });
});
