/** Large states that share most of their content: each comes back exactly, whatever became of the others (K1, K4, K6, K7). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

interface Entry {
  readonly id: string;
  readonly content: string;
}

/** What a step of an agent does to its list of messages. */
const STEPS: readonly ((list: readonly Entry[], step: number) => Entry[])[] = [
  (list, step) => [...list, entry(step)],
  (list, step) => [...list, entry(step), entry(step + 0.5)],
  (list, step) => list.toSpliced(list.length >> 1, 0, entry(step)),
  (list, step) => list.map((each, i) => (i === list.length >> 1 ? { ...each, content: `edited ${step}` } : each)),
  (list) => list.slice(3),
  (list, step) => [...list.slice(1), entry(step)],
  (list) => [...list.slice(5), ...list.slice(0, 5)],
  (list) => list.toReversed(),
  (list, step) => list.map((_, i) => entry(step * 1_000 + i)),
];

export const sharedStateClauses: ClauseGroup = clauseGroup("states that share content", (clause) => {
  clause("K4 each of many states that follow from each other comes back exactly", async ({ storage }) => {
    const states = await fill(storage, "t");
    for (const [i, data] of states.entries()) {
      equal((await storage.getCheckpoint("t", { checkpointId: `c${i}` }))?.data, data);
    }
    const listed = await storage.listCheckpoints("t", { limit: 100, data: true });
    equal(
      listed.map(({ data }) => data),
      states.toReversed(),
    );
  });

  clause("K6 what is kept still loads when checkpoints that share its content are pruned", async ({ storage }) => {
    const states = await fill(storage, "t");
    for (const keepLast of [10, 4, 1]) {
      await storage.pruneCheckpoints({ keepLast });
      const kept = await storage.listCheckpoints("t", { limit: 100, data: true });
      equal(
        kept.map(({ data }) => data),
        states.slice(-keepLast).reverse(),
      );
    }
    // What was freed can be stored again.
    for (const [i, data] of states.entries()) await storage.storeCheckpoint("t", `again${i}`, data);
    equal((await storage.getCheckpoint("t", { checkpointId: "again0" }))?.data, states[0]);
  });

  clause("K1 replacing a state leaves those that share its content as they were", async ({ storage }) => {
    const states = await fill(storage, "t");
    for (const i of times(states.length, (each) => each)) {
      if (i % 2 === 0) await storage.storeCheckpoint("t", `c${i}`, { replaced: i, list: [entry(-i)] });
    }
    for (const round of times(20, (each) => each)) await storage.storeCheckpoint("t", "c0", states[round % 5]);
    const expected = states.map((data, i) => (i % 2 === 0 ? { replaced: i, list: [entry(-i)] } : data));
    for (const [i, data] of expected.entries()) {
      const found = await storage.getCheckpoint("t", { checkpointId: `c${i}` });
      equal(found?.data, i === 0 ? states[19 % 5] : data);
    }
  });

  clause(
    "K7 a copied thread keeps its states when the other one is changed, pruned or deleted",
    async ({ storage }) => {
      const states = await fill(storage, "t");
      await storage.copyThread("t", "copy");
      await storage.copyThread("t", "changed");
      await storage.storeCheckpoint("changed", "c1", "other");
      await storage.pruneCheckpoints({ threadId: "changed", keepLast: 2 });
      await storage.deleteThread("t");
      const copied = await storage.listCheckpoints("copy", { limit: 100, data: true });
      equal(
        copied.map(({ data }) => data),
        states.toReversed(),
      );
      equal((await storage.getCheckpoint("changed"))?.data, states.at(-1));
      // Deleted with all that it was made of: the same thread begins anew.
      equal(await fill(storage, "t"), states);
      equal((await storage.getCheckpoint("t"))?.data, states.at(-1));
    },
  );
});

/** A thread with a checkpoint for each of some twenty steps: the states as they were given. */
async function fill(storage: StorageBackend, threadId: string): Promise<unknown[]> {
  const states: unknown[] = [];
  let messages: readonly Entry[] = times(40, entry);
  for (const step of times(2 * STEPS.length, (each) => each)) {
    messages = STEPS[step % STEPS.length]?.(messages, step) ?? messages;
    const data = {
      v: 4,
      id: `${step}`,
      channel_values: { messages: [...messages], step },
      versions: { messages: step },
    };
    await storage.storeCheckpoint(threadId, `c${step}`, data);
    states.push(data);
  }
  return states;
}

/** Some 1.2 KB that no other number has. */
function entry(number: number): Entry {
  const words = times(60, (i) => `word ${Math.imul(Math.trunc(number * 2) + 7, 2_654_435_761 + i * 97) >>> 0}`);
  return { id: `m${number}`, content: words.join(" ") };
}
