/** Calls about much are one step all the same: readers see all of it or nothing, writers come before or after (M3, K6, K7, S10, C6). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, filterIn, ok, present, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

/** What each call is about: more than a backend does without letting others in between. */
const MANY = 600;

export const largeStepClauses: ClauseGroup = clauseGroup("large steps", (clause) => {
  clause("M1 who reads while deleteItems removes many items finds all of them or none", async ({ storage }) => {
    await putMany(storage);
    const { result, seen } = await during(storage.deleteItems(["n"]), () => storage.countItems(["n"]));
    equal(result, MANY);
    equal(
      seen.filter((count) => count !== MANY && count !== 0),
      [],
    );
    equal(await storage.countItems(["n"]), 0);
  });

  clause(
    "M1 an item that is put while deleteItems runs was put before it, and is gone, or after it, and is there",
    async ({ storage }) => {
      await putMany(storage);
      const { seen } = await during(storage.deleteItems(["n"]), (i) =>
        storage.putItem(["n", "0"], `k${i * 7}`, { again: i }),
      );
      for (const item of seen) {
        const isBefore = item.version === 2;
        equal(await storage.getItem(["n", "0"], item.key), isBefore ? undefined : item, `item ${item.key}`);
      }
    },
  );

  clause("M3 who reads while a batch searches sees all of its writes or none", async ({ storage, support }) => {
    await putMany(storage);
    const batch = storage.batchItems([
      { put: { namespace: ["a"], key: "first", value: {} } },
      ...times(20, () => ({ search: { prefix: ["n"], ...filterIn(support, { i: -1 }) } })),
      { put: { namespace: ["a"], key: "last", value: {} } },
    ]);
    const reads = [{ get: { namespace: ["a"], key: "first" } }, { get: { namespace: ["a"], key: "last" } }];
    const { seen } = await during(batch, () => storage.batchItems(reads));
    equal(
      seen.filter(([first, last]) => (first === undefined) !== (last === undefined)),
      [],
    );
  });

  clause("K7 who reads while a thread is copied finds the whole copy or none", async ({ storage }) => {
    await storeMany(storage);
    const { result, seen } = await during(storage.copyThread("t", "copy"), async (i) => {
      await storage.storeCheckpoint("t", `later-${i}`, i);
      return storage.listCheckpoints("copy", { limit: 10_000, data: true });
    });
    equal(result, true);
    const copy = await storage.listCheckpoints("copy", { limit: 10_000, data: true });
    for (const list of seen) equal(list, list.length === 0 ? [] : copy);
    ok(copy.length >= MANY, "the copy has what the thread had when the copying began");
    // It ends where the thread ended at one moment: what came later is missing from the end alone.
    const source = await storage.listCheckpoints("t", { limit: 10_000 });
    equal(
      copy.map(({ checkpointId }) => checkpointId),
      source.slice(-copy.length).map(({ checkpointId }) => checkpointId),
    );
  });

  clause("K6 while a thread is pruned, what is kept is always there, and what is listed loads", async ({ storage }) => {
    await storeMany(storage);
    const { result, seen } = await during(storage.pruneCheckpoints({ threadId: "t", keepLast: 3 }), () =>
      storage.listCheckpoints("t", { limit: 10_000, data: true }),
    );
    equal(result.removedCheckpoints, MANY - 3);
    for (const list of seen) {
      equal(
        list.slice(0, 3).map(({ checkpointId }) => checkpointId),
        [`c${MANY - 1}`, `c${MANY - 2}`, `c${MANY - 3}`],
      );
      for (const { checkpointId, data } of list) equal(data, stateOf(Number(checkpointId.slice(1))));
    }
  });

  clause("S10 with a session all of its many threads are gone for readers", async ({ storage }) => {
    await storage.createSession("s", "u");
    await Promise.all(times(MANY, (i) => storage.storeCheckpoint(`t${i}`, "c", i, { sessionId: "s" })));
    const { seen } = await during(storage.deleteSession("s"), async (i) => {
      const isGone = (await storage.getSession("s")) === undefined;
      const threads = (await storage.listThreads({ limit: 1_000 })).items.length;
      const last = await storage.getCheckpoint(`t${MANY - 1 - (i % MANY)}`);
      return { isGone, threads, last: last?.data };
    });
    for (const { isGone, ...left } of seen) if (isGone) equal(left, { threads: 0, last: undefined });
    equal((await storage.listThreads()).items, []);
  });

  clause("C6 who reads while many messages are deleted finds all of them or none", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      times(MANY, (i) => ({ role: "user", content: `${i}` })),
    );
    const { result, seen } = await during(storage.deleteConversationMessages("s", { before: MANY }), () =>
      storage.getConversationHistory("s", { limit: 10_000 }),
    );
    equal(result, MANY - 1);
    equal(
      seen.map(({ length }) => length).filter((length) => length !== MANY && length !== 1),
      [],
    );
    equal(present(await storage.getSession("s"), "the session").messageCount, 1);
  });
});

/** What others do again and again while a call is on its way, and once after it. */
async function during<T, Seen>(
  call: Promise<T>,
  look: (round: number) => Promise<Seen>,
): Promise<{ result: T; seen: Seen[] }> {
  let isOver = false;
  const settled = call.finally(() => {
    isOver = true;
  });
  // Its failure is told below; until then nobody waits for it.
  settled.catch(() => undefined);
  const seen: Seen[] = [];
  for (let isLast = false; !isLast; ) {
    isLast = isOver || seen.length >= 60;
    // Two at once: one of them may come between the steps of the other.
    seen.push(...(await Promise.all([look(seen.length), look(seen.length + 1)])));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { result: await settled, seen };
}

async function putMany(storage: StorageBackend): Promise<void> {
  await storage.batchItems(times(MANY, (i) => ({ put: { namespace: ["n", `${i % 7}`], key: `k${i}`, value: { i } } })));
}

function stateOf(i: number): unknown {
  return { i, text: `${i} `.repeat(20) };
}

async function storeMany(storage: StorageBackend): Promise<void> {
  for (let i = 0; i < MANY; i += 100) {
    for (let k = i; k < i + 100; k++) await storage.storeCheckpoint("t", `c${k}`, stateOf(k));
  }
}
