/** What goes in and what comes out is a copy: stored values share nothing with callers, nor results with each other (V1). */
import { equal, present } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const isolationClauses: ClauseGroup = clauseGroup("isolation", (clause) => {
  clause("V1 changing what was passed in changes nothing stored", async ({ storage }) => {
    const metadata = { list: [1], inner: { a: 1 } };
    const value = { list: [1], map: new Map([["a", [1]]]), bytes: new Uint8Array([1]), date: new Date(0) };
    const parts = [{ type: "text", text: "a", inner: { a: 1 } }];
    const timestamp = new Date(1_000);
    const writes: [string, unknown][] = [["channel", { a: 1 }]];
    const labels = ["n"];
    const pending = [
      storage.createSession("s", "u", { metadata }),
      storage.storeCheckpoint("t", "c", value, { metadata }),
      storage.putWrites("t", "c", "task", writes),
      storage.putItem(labels, "k", metadata),
    ];
    const change = (): void => {
      metadata.list.push(2);
      metadata.inner.a = 2;
      value.list.push(2);
      value.map.get("a")?.push(2);
      value.bytes[0] = 2;
      value.date.setTime(5);
      writes.push(["other", 1]);
      (writes[0] as [string, { a: number }])[1].a = 2;
      labels.push("m");
    };
    // At once, while the calls are under way: they have taken what they need.
    change();
    await Promise.all(pending);
    const added = storage.addConversationMessage("s", "user", parts, { metadata: { a: 1 }, timestamp });
    (parts[0] as { inner: { a: number } }).inner.a = 2;
    parts.push({ type: "text", text: "b", inner: { a: 1 } });
    timestamp.setTime(9);
    await added;
    const context = { step: [1] };
    const stored = storage.storeTaskContext("s", context);
    context.step.push(2);
    await stored;

    equal((await storage.getSession("s"))?.metadata, { list: [1], inner: { a: 1 } });
    const checkpoint = present(await storage.getCheckpoint("t", { writes: true }), "the checkpoint");
    equal(checkpoint.data, { list: [1], map: new Map([["a", [1]]]), bytes: new Uint8Array([1]), date: new Date(0) });
    equal(checkpoint.metadata, { list: [1], inner: { a: 1 } });
    equal(
      checkpoint.writes?.map((write) => [write.channel, write.value]),
      [["channel", { a: 1 }]],
    );
    equal((await storage.getItem(["n"], "k"))?.value, { list: [1], inner: { a: 1 } });
    const message = present((await storage.getConversationHistory("s"))[0], "the message");
    equal([message.content, message.timestamp], [[{ type: "text", text: "a", inner: { a: 1 } }], new Date(1_000)]);
    equal((await storage.getTaskContext("s"))?.context, { step: [1] });
  });

  clause("V1 a report of nothing is an object of its own", async ({ storage }) => {
    const [pruned, deleted] = [
      await storage.pruneCheckpoints({ keepLast: 1 }),
      await storage.deleteCheckpoints("t", ["c"]),
    ];
    Object.assign(pruned, { threads: 7 });
    deleted.keptCheckpointIds.push("c");
    equal((await storage.pruneCheckpoints({ keepLast: 1 })).threads, 0);
    equal((await storage.deleteCheckpoints("t", ["c"])).keptCheckpointIds, []);
  });

  clause("V1 changing what was returned changes nothing stored", async ({ storage }) => {
    const created = await storage.createSession("s", "u", { metadata: { list: [1] } });
    const added = await storage.addConversationMessage("s", "user", [{ type: "text", inner: { a: 1 } }]);
    const info = await storage.storeCheckpoint("t", "c", { list: [1] }, { metadata: { list: [1] } });
    await storage.putWrites("t", "c", "task", [["channel", { list: [1] }]]);
    await storage.storeTaskContext("s", { list: [1] });
    const put = await storage.putItem(["n"], "k", { list: [1] });
    const reads = async (): Promise<unknown[]> => [
      await storage.getSession("s"),
      ...(await storage.batchGetSessions(["s"])),
      await storage.listSessions(),
      await storage.getConversationHistory("s"),
      await storage.getCheckpoint("t", { writes: true }),
      await storage.listCheckpoints("t", { data: true, writes: true }),
      await storage.getWrites("t", "c"),
      await storage.listThreads(),
      await storage.getTaskContext("s"),
      await storage.listTaskContextVersions("s"),
      await storage.getItem(["n"], "k"),
      await storage.searchItems(["n"]),
      await storage.listNamespaces(),
    ];
    const before = await reads();
    for (const result of [created, added, info, put, ...(await reads())]) spoil(result);
    equal(await reads(), before);
  });

  clause("V1 two readers of one value share nothing", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", { list: [1] });
    const [first, second] = await Promise.all([storage.getCheckpoint("t"), storage.getCheckpoint("t")]);
    spoil(first);
    equal(second?.data, { list: [1] });
  });
});

/** Changes everything that can be changed in a result. */
function spoil(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  if (value instanceof Date) {
    value.setTime(123);
    return;
  }
  for (const each of Object.values(value)) spoil(each);
  if (Array.isArray(value)) value.push("spoiled");
  else Object.assign(value, { spoiled: true });
}
