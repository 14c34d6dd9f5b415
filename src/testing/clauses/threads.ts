/** Threads: listing, links to sessions, deletion and copies (K7). */
import type { ThreadInfo, ThreadQuery } from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import {
  equal,
  itemsOf,
  label,
  ok,
  present,
  recordsOf,
  refused,
  rejects,
  settle,
  times,
  unchanged,
} from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { damagedCursors } from "../damaged-cursors.js";

export const threadClauses: ClauseGroup = clauseGroup("threads", (clause) => {
  clause("K7 listThreads gives each thread with its count, its times and its session", async ({ storage, pass }) => {
    await storage.createSession("s", "u");
    const first = await storage.storeCheckpoint("t", "c1", 1, { sessionId: "s" });
    await pass(5);
    await storage.storeCheckpoint("t", "c2", 2, { namespace: "n" });
    await storage.storeCheckpoint("t", "c2", 3, { namespace: "n" });
    const thread = present((await storage.listThreads()).items[0], "the thread");
    equal(thread, {
      threadId: "t",
      sessionId: "s",
      checkpointCount: 2,
      createdAt: first.createdAt,
      updatedAt: thread.updatedAt,
    });
    ok(thread.updatedAt > thread.createdAt, "updatedAt has moved");
    await storage.storeCheckpoint("free", "c", 1);
    const free = present(
      (await storage.listThreads()).items.find((each) => each.threadId === "free"),
      "the thread",
    );
    equal("sessionId" in free, false, "whether a thread of no session names one");
  });

  clause("K7 listThreads orders by updatedAt unless told otherwise, newest first", async ({ storage, pass }) => {
    for (const thread of ["a", "b", "c"]) {
      await storage.storeCheckpoint(thread, "c1", 1);
      await pass(2);
    }
    await storage.storeCheckpoint("a", "c2", 2);
    const ids = async (query?: ThreadQuery): Promise<string[]> =>
      (await storage.listThreads(query)).items.map((each) => each.threadId);
    equal(await ids(), ["a", "c", "b"]);
    equal(await ids({ direction: "asc" }), ["b", "c", "a"]);
    equal(await ids({ orderBy: "createdAt" }), ["c", "b", "a"]);
    equal(await ids({ orderBy: "createdAt", direction: "asc", limit: 2 }), ["a", "b"]);
  });

  clause(
    "K7 pages of threads give each once, ties by id and code point",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const ids = ["b", "a", "\uffee", "\u{1f600}", "A", "\u00e9", "aa", "1"];
      for (const id of ids) await storage.storeCheckpoint(id, "c", 1);
      const sorted = [...ids].sort(compareCodePoints);
      for (const limit of [1, 3, 8, 9]) {
        for (const orderBy of ["createdAt", "updatedAt"] as const) {
          equal(
            (await walk(storage, { orderBy, limit })).map((each) => each.threadId),
            [...sorted].reverse(),
          );
          equal(
            (await walk(storage, { orderBy, limit, direction: "asc" })).map((each) => each.threadId),
            sorted,
          );
        }
      }
      clock.advance(1);
      await storage.storeCheckpoint("aa", "c2", 1);
      equal((await walk(storage, { limit: 2 }))[0]?.threadId, "aa");
    },
  );

  clause("K7 listThreads filters by session, in pages too", async ({ storage }) => {
    for (const id of ["s", "s1"]) await storage.createSession(id, "u");
    for (let i = 0; i < 5; i++) await storage.storeCheckpoint(`mine${i}`, "c", i, { sessionId: "s" });
    await storage.storeCheckpoint("other", "c", 1, { sessionId: "s1" });
    await storage.storeCheckpoint("free", "c", 1);
    const mine = times(5, (i) => `mine${i}`);
    for (const limit of [1, 2, 5]) {
      equal((await walk(storage, { sessionId: "s", limit })).map((each) => each.threadId).sort(), mine);
    }
    equal((await storage.listThreads({ sessionId: "absent" })).items, []);
    equal((await storage.listThreads()).items.length, 7);
  });

  clause("K7 pages of threads neither skip nor repeat while others come and go", async ({ storage, pass }) => {
    for (let i = 0; i < 10; i++) {
      await storage.storeCheckpoint(`stable${i}`, "c", i);
      await storage.storeCheckpoint(`gone${i}`, "c", i);
      await pass(1);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < 50; page++) {
      const found = await storage.listThreads({ orderBy: "createdAt", direction: "asc", limit: 3, cursor });
      seen.push(...found.items.map((each) => each.threadId));
      cursor = found.nextCursor;
      if (cursor === undefined) break;
      await storage.deleteThread(`gone${page}`);
      await storage.storeCheckpoint(`new${page}`, "c", 1);
    }
    equal(
      seen.filter((id) => id.startsWith("stable")),
      times(10, (i) => `stable${i}`),
    );
    equal(new Set(seen).size, seen.length);
  });

  clause("K7 listThreads refuses unknown fields, bad values and cursors of other queries", async ({ storage }) => {
    for (const id of ["a", "b", "c"]) await storage.storeCheckpoint(id, "c", 1);
    const queries: object[] = [
      { user: "u" },
      { orderBy: "threadId" },
      { direction: "up" },
      { limit: 0 },
      { limit: 1_001 },
      { limit: "1" },
      { metadata: {} },
    ];
    for (const query of queries) await refused(storage.listThreads(query as ThreadQuery), label(query));
    const cursor = present((await storage.listThreads({ limit: 1 })).nextCursor, "the cursor");
    for (const query of [{ sessionId: "s" }, { direction: "asc" }, { orderBy: "createdAt" }] as ThreadQuery[]) {
      await refused(storage.listThreads({ ...query, cursor }), label(query));
    }
    await refused(storage.listSessions({ cursor }), "listSessions");
    for (const damaged of damagedCursors(cursor))
      await refused(storage.listThreads({ cursor: damaged as string }), String(damaged));
  });

  clause("K7 a page of threads has 50 unless limit says otherwise", async ({ storage }) => {
    for (let i = 0; i < 55; i++) await storage.storeCheckpoint(`t${i}`, "c", i);
    const page = await storage.listThreads();
    equal([page.items.length, page.nextCursor !== undefined], [50, true]);
  });

  clause("K7 sessionId links the thread, and checkpoints without one leave the link", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c1", 1);
    equal((await storage.listThreads({ sessionId: "s" })).items, []);
    await storage.storeCheckpoint("t", "c2", 2, { sessionId: "s" });
    equal((await storage.listThreads({ sessionId: "s" })).items.length, 1);
    await storage.storeCheckpoint("t", "c3", 3);
    equal((await storage.listThreads({ sessionId: "s" })).items.length, 1);
    equal(
      (await storage.listCheckpoints("t")).map((each) => each.sessionId),
      [undefined, "s", undefined],
    );
    await storage.deleteSession("s");
    equal(await storage.listCheckpoints("t"), []);
  });

  clause("K7 deleteThread removes all of the thread, and returns true once", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c1", 1, { sessionId: "s" });
    await storage.storeCheckpoint("t", "c2", 2, { namespace: "n", parentId: "c1" });
    await storage.putWrites("t", "c1", "task", [["a", 1]]);
    equal(await storage.deleteThread("t"), true);
    equal(await storage.deleteThread("t"), false);
    equal(await storage.getCheckpoint("t"), undefined);
    equal(await storage.getCheckpoint("t", { checkpointId: "c2", namespace: "n" }), undefined);
    equal(await storage.listCheckpoints("t"), []);
    equal(await storage.getWrites("t", "c1"), []);
    equal((await storage.listThreads({ sessionId: "s" })).items, []);
    equal(
      (await recordsOf(storage)).map((record) => record.kind),
      ["session"],
    );
    await storage.storeCheckpoint("t", "c3", 3, { expectedHead: null });
    equal(
      (await storage.listCheckpoints("t", { writes: true })).map((each) => [
        each.checkpointId,
        each.writes,
        each.sessionId,
      ]),
      [["c3", [], undefined]],
    );
  });

  clause("K7 copyThread copies namespaces, parents, order, metadata and writes", async ({ storage, pass }) => {
    await buildThread(storage);
    await pass(5);
    equal(await storage.copyThread("t", "copy"), true);
    equal(await shapeOf(storage, "copy"), await shapeOf(storage, "t"));
    equal((await storage.getCheckpoint("copy"))?.checkpointId, (await storage.getCheckpoint("t"))?.checkpointId);
    equal((await storage.listThreads()).items.map((each) => [each.threadId, each.checkpointCount]).sort(), [
      ["copy", 4],
      ["t", 4],
    ]);
  });

  clause("K7 a copy is linked to no session, and stays when the session of its source goes", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
    await storage.copyThread("t", "copy");
    equal(
      (await storage.listThreads({ sessionId: "s" })).items.map((each) => each.threadId),
      ["t"],
    );
    await storage.deleteSession("s");
    equal(await storage.getCheckpoint("t"), undefined);
    equal((await storage.getCheckpoint("copy"))?.data, 1);
  });

  clause("K7 a copy and its source share no fate", async ({ storage }) => {
    await buildThread(storage);
    await storage.copyThread("t", "copy");
    const before = await shapeOf(storage, "t");
    await storage.storeCheckpoint("copy", "later", "only in the copy", { parentId: "c3" });
    await storage.storeCheckpoint("copy", "c1", "changed in the copy");
    await storage.putWrites("copy", "c1", "other", [["x", 1]]);
    await storage.putWrites("copy", "c1", "task", [["a", "overwritten"]], { overwrite: true });
    equal(await shapeOf(storage, "t"), before);
    equal((await storage.getCheckpoint("copy"))?.checkpointId, "later");
    const copy = await shapeOf(storage, "copy");
    await storage.storeCheckpoint("t", "c1", "changed in the source");
    await storage.pruneCheckpoints({ keepLast: 1, threadId: "t" });
    await storage.deleteThread("t");
    equal(await shapeOf(storage, "copy"), copy);
    await storage.copyThread("copy", "again");
    await storage.deleteThread("copy");
    equal(await shapeOf(storage, "again"), copy);
  });

  clause(
    "K7 copyThread onto a thread that exists rejects with ConflictError and changes nothing",
    async ({ storage }) => {
      await buildThread(storage);
      await storage.storeCheckpoint("there", "c", 1);
      await unchanged(storage, async () => {
        await rejects("CONFLICT", storage.copyThread("t", "there"));
        await rejects("CONFLICT", storage.copyThread("t", "t"));
      });
    },
  );

  clause("K7 of many racing copies to one thread exactly one succeeds", async ({ storage, scale }) => {
    await buildThread(storage);
    const results = await settle(times(scale.racers, () => storage.copyThread("t", "copy")));
    equal(results.values, [true]);
    equal(
      results.codes,
      times(scale.racers - 1, () => "CONFLICT"),
    );
    equal(await shapeOf(storage, "copy"), await shapeOf(storage, "t"));
  });

  clause("K7 a thread of writes alone is a thread: it is listed, copied and deleted", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [["a", 1]]);
    equal(
      (await storage.listThreads()).items.map((each) => [each.threadId, each.checkpointCount]),
      [["t", 0]],
    );
    equal(await storage.copyThread("t", "copy"), true);
    equal((await storage.getWrites("copy", "c")).length, 1);
    equal(await storage.deleteThread("t"), true);
    equal((await storage.getWrites("copy", "c")).length, 1);
  });

  clause("K7 branches of one parent are kept apart", async ({ storage }) => {
    await storage.storeCheckpoint("t", "root", { at: "root" });
    await storage.storeCheckpoint("t", "left", { at: "left" }, { parentId: "root" });
    await storage.putWrites("t", "left", "task", [["a", "left"]]);
    await storage.storeCheckpoint("t", "right", { at: "right" }, { parentId: "root" });
    await storage.putWrites("t", "right", "task", [["a", "right"]]);
    for (const checkpointId of ["left", "right"]) {
      const found = present(await storage.getCheckpoint("t", { checkpointId, writes: true }), checkpointId);
      equal(
        [found.data, found.parentId, found.writes?.map((write) => write.value)],
        [{ at: checkpointId }, "root", [checkpointId]],
      );
    }
    equal((await storage.getCheckpoint("t"))?.checkpointId, "right");
  });
});

/** A thread `t` with two namespaces, a branch and writes, one of them waiting for its checkpoint. */
async function buildThread(storage: StorageBackend): Promise<void> {
  await storage.storeCheckpoint("t", "c1", { step: 1 }, { metadata: { n: 1 } });
  await storage.putWrites(
    "t",
    "c1",
    "task",
    [
      ["a", 1],
      ["b", [2]],
    ],
    { taskPath: "p" },
  );
  await storage.storeCheckpoint("t", "c2", { step: 2 }, { parentId: "c1", needsParent: true });
  await storage.storeCheckpoint("t", "c1", { step: 3 }, { namespace: "inner", parentId: "c2" });
  await storage.putWrites("t", "c1", "task", [["c", 3]], { namespace: "inner" });
  await storage.storeCheckpoint("t", "c3", new Map([["step", 4n]]), { parentId: "c1" });
  await storage.putWrites("t", "later", "task", [["d", 4]]);
}

/** All that a thread holds, without its name, its session and its times. */
async function shapeOf(storage: StorageBackend, thread: string): Promise<unknown> {
  const checkpoints = await storage.listCheckpoints(thread, { limit: 1_000, data: true, writes: true });
  return {
    checkpoints: checkpoints.map(({ threadId: _thread, sessionId: _session, createdAt, ...rest }) => ({
      ...rest,
      createdAt: createdAt.getTime() > 0,
    })),
    waiting: await storage.getWrites(thread, "later"),
  };
}

function walk(storage: StorageBackend, query: ThreadQuery & { readonly limit: number }): Promise<ThreadInfo[]> {
  return itemsOf((cursor) => storage.listThreads({ ...query, cursor }), query.limit);
}
