/** Intermediate writes of checkpoints (K3). */
import type { CheckpointWrite, PutWritesOptions, WriteInput } from "../../contract/checkpoint-storage.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import { equal, label, present, recordsOf, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const checkpointWriteClauses: ClauseGroup = clauseGroup("checkpoint writes", (clause) => {
  clause("K3 writes may arrive before their checkpoint, and come back with it", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [
      ["a", 1],
      ["b", { x: 2 }],
    ]);
    const writes: CheckpointWrite[] = [
      { taskId: "task", taskPath: "", index: 0, channel: "a", value: 1 },
      { taskId: "task", taskPath: "", index: 1, channel: "b", value: { x: 2 } },
    ];
    equal(await storage.getWrites("t", "c"), writes);
    equal(await storage.getCheckpoint("t"), undefined);
    equal(await storage.listCheckpoints("t"), []);
    await storage.storeCheckpoint("t", "c", "state");
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, writes);
    equal(await storage.getWrites("t", "c"), writes);
  });

  clause("K3 writes are ordered by task path, then task, then index, strings by code point", async ({ storage }) => {
    const names = ["b", "a", "B", "\u{1f600}", "\uff21", "\ufffd", "aa", "~", "1", "10", "2", "\u00e9"];
    for (const taskId of names)
      await storage.putWrites(
        "t",
        "c",
        taskId,
        [
          ["x", taskId, 5],
          ["x", taskId, -1],
          ["x", taskId, 10],
        ],
        { taskPath: "p" },
      );
    for (const taskPath of names) await storage.putWrites("t", "c", `in ${taskPath}`, [["x", 1]], { taskPath });
    const found = await storage.getWrites("t", "c");
    const paths = [...names, "p"].sort(compareCodePoints);
    const sorted = [...names].sort(compareCodePoints);
    equal(
      found.map((write) => [write.taskPath, write.taskId, write.index]),
      paths.flatMap((path) =>
        path === "p"
          ? sorted.flatMap((taskId) => [-1, 5, 10].map((index): unknown[] => [path, taskId, index]))
          : [[path, `in ${path}`, 0]],
      ),
    );
    await storage.storeCheckpoint("t", "c", 1);
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, found);
    equal((await storage.listCheckpoints("t", { writes: true }))[0]?.writes, found);
  });

  clause("K3 the empty task path comes first", async ({ storage }) => {
    await storage.putWrites("t", "c", "late", [["x", 1]], { taskPath: "\u0001" });
    await storage.putWrites("t", "c", "z", [["x", 2]]);
    equal(
      (await storage.getWrites("t", "c")).map((write) => write.value),
      [2, 1],
    );
  });

  clause("K3 the index of a write is its position unless it is given, and may be negative", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [
      ["a", "first"],
      ["b", "given", -3],
      ["c", "third"],
      ["d", "far", 1_000],
    ]);
    equal(
      (await storage.getWrites("t", "c")).map((write) => [write.index, write.channel]),
      [
        [-3, "b"],
        [0, "a"],
        [2, "c"],
        [1_000, "d"],
      ],
    );
  });

  clause("K3 the first write of an index wins", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [
      ["a", 1],
      ["b", 2],
    ]);
    await storage.putWrites("t", "c", "task", [
      ["z", 9],
      ["z", 9],
      ["new", 3],
    ]);
    await storage.putWrites("t", "c", "task", [["z", 9]], { overwrite: false });
    equal(
      (await storage.getWrites("t", "c")).map((write) => [write.channel, write.value]),
      [
        ["a", 1],
        ["b", 2],
        ["new", 3],
      ],
    );
  });

  clause("K3 a write is told apart by task and index, and its task path only orders it", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [["a", 1]], { taskPath: "first" });
    await storage.putWrites("t", "c", "task", [["b", 2]], { taskPath: "second" });
    equal(
      (await storage.getWrites("t", "c")).map((write) => [write.taskPath, write.value]),
      [["first", 1]],
    );
    await storage.putWrites("t", "c", "task", [["b", 2]], { taskPath: "second", overwrite: true });
    equal(
      (await storage.getWrites("t", "c")).map((write) => [write.taskPath, write.value]),
      [["second", 2]],
    );
  });

  clause("K3 overwrite replaces the write of an index and adds the others", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [
      ["a", 1],
      ["b", 2],
    ]);
    await storage.putWrites(
      "t",
      "c",
      "task",
      [
        ["z", 9],
        ["y", 8, 5],
      ],
      { overwrite: true },
    );
    equal(
      (await storage.getWrites("t", "c")).map((write) => [write.index, write.channel, write.value]),
      [
        [0, "z", 9],
        [1, "b", 2],
        [5, "y", 8],
      ],
    );
  });

  clause("K3 writes of different tasks, checkpoints, namespaces and threads never meet", async ({ storage }) => {
    const targets = [
      ["t", "c", "task", ""],
      ["t", "c", "task2", ""],
      ["t", "c2", "task", ""],
      ["t", "c", "task", "n"],
      ["t2", "c", "task", ""],
    ] as const;
    for (const [thread, checkpoint, task, namespace] of targets) {
      await storage.putWrites(thread, checkpoint, task, [["x", `${thread}/${checkpoint}/${task}/${namespace}`]], {
        namespace,
      });
    }
    const values = async (thread: string, checkpoint: string, namespace?: string): Promise<unknown[]> =>
      (await storage.getWrites(thread, checkpoint, { namespace })).map((write) => write.value);
    equal(await values("t", "c"), ["t/c/task/", "t/c/task2/"]);
    equal(await values("t", "c2"), ["t/c2/task/"]);
    equal(await values("t", "c", "n"), ["t/c/task/n"]);
    equal(await values("t2", "c"), ["t2/c/task/"]);
    equal(await values("t2", "c", "n"), []);
  });

  clause("K3 concurrent writes of many tasks are all kept", async ({ storage, scale }) => {
    await Promise.all(
      times(scale.racers, (i) =>
        storage.putWrites("t", "c", `task${i}`, [
          ["a", i],
          ["b", i],
        ]),
      ),
    );
    const found = await storage.getWrites("t", "c");
    equal(found.length, scale.racers * 2);
    equal(new Set(found.map((write) => write.taskId)).size, scale.racers);
  });

  clause("K3 of many racing first writes of one index exactly one is kept, whole", async ({ storage, scale }) => {
    await Promise.all(
      times(scale.racers, (i) =>
        storage.putWrites("t", "c", "task", [
          ["a", i],
          ["b", i],
        ]),
      ),
    );
    const found = await storage.getWrites("t", "c");
    equal(found.length, 2);
    equal(found[0]?.value, found[1]?.value, "the two writes are of one call");
  });

  clause("K3 writes of one call are stored all or none", async ({ storage }) => {
    await unchanged(storage, async () => {
      await rejects(
        "SERIALIZATION",
        storage.putWrites("t", "c", "task", [
          ["a", 1],
          ["b", () => 1],
        ]),
      );
      await refused(
        storage.putWrites("t", "c", "task", [
          ["a", 1],
          ["", 2],
        ]),
      );
    });
    equal(await storage.getWrites("t", "c"), []);
    equal((await storage.listThreads()).items, []);
  });

  clause("K3 an empty list of writes changes nothing", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    await unchanged(storage, () => storage.putWrites("t", "c", "task", []));
    equal(await storage.getWrites("t", "c"), []);
  });

  clause(
    "K3 putWrites refuses writes of another shape, an index that stands twice and unknown options",
    async ({ storage }) => {
      const lists: unknown[] = [
        null,
        "a",
        {},
        [null],
        [["a"]],
        ["ab"],
        [["a", 1, 2, 3]],
        [["a", 1, 1.5]],
        [["a", 1, "0"]],
        [["a", 1, Number.NaN]],
        [
          ["a", 1, 0],
          ["b", 2, 0],
        ],
        [
          ["a", 1],
          ["b", 2, 0],
        ],
        [[1, 1]],
      ];
      await unchanged(storage, async () => {
        for (const list of lists) {
          await refused(storage.putWrites("t", "c", "task", list as WriteInput[]), label(list));
        }
        for (const options of [{ path: "a" }, { overwrite: 1 }, { overwrite: "true" }, { taskPath: null }]) {
          await refused(storage.putWrites("t", "c", "task", [["a", 1]], options as PutWritesOptions), label(options));
        }
      });
    },
  );

  clause("K3 writes keep every value, undefined too", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [
      ["a", undefined],
      ["b", null],
      ["c", new Map([["k", 1n]])],
    ]);
    equal(
      (await storage.getWrites("t", "c")).map((write) => write.value),
      [undefined, null, new Map([["k", 1n]])],
    );
  });

  clause("K3 a thousand writes of one call keep their order", async ({ storage }) => {
    await storage.putWrites(
      "t",
      "c",
      "task",
      times(1_000, (i): WriteInput => ["x", i]),
    );
    equal(
      (await storage.getWrites("t", "c")).map((write) => write.value),
      times(1_000, (i) => i),
    );
  });

  clause("K3 writes that wait for their checkpoint go with the thread", async ({ storage }) => {
    await storage.putWrites("t", "c", "task", [["a", 1]]);
    equal(await storage.deleteThread("t"), true);
    equal(await storage.getWrites("t", "c"), []);
    equal(await recordsOf(storage), []);
    await storage.storeCheckpoint("t", "c", 1);
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, []);
  });

  clause(
    "K3 putWrites moves the thread's updatedAt, and that of the session it is linked to",
    async ({ storage, pass }) => {
      await storage.createSession("s", "u");
      await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
      const before = present((await storage.listThreads()).items[0], "the thread");
      const session = present(await storage.getSession("s"), "the session");
      await pass(5);
      await storage.putWrites("t", "c", "task", [["a", 1]]);
      const after = present((await storage.listThreads()).items[0], "the thread");
      equal([after.updatedAt > before.updatedAt, after.createdAt], [true, before.createdAt]);
      equal(present(await storage.getSession("s"), "the session").updatedAt > session.updatedAt, true);
    },
  );
});
