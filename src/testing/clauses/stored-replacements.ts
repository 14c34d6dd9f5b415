/** Putting values in the place of stored ones (P2). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { type StoredReplacement, type StoredValues, storedValues } from "../../contract/stored-replacement.js";
import { equal, label, ok, present, recordsOf, refused, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const NEEDS = { needs: ["replacements"] } as const;

const port = (storage: StorageBackend): StoredValues => present(storedValues(storage), "the port replaceStored");

const N = ["n"];

/** Messages that no store replaces in a single step. */
const MANY = 130;

export const storedReplacementClauses: ClauseGroup = clauseGroup("replacing stored values", (clause) => {
  clause(
    "P2 values that are large together are replaced, and more than one call takes is refused",
    { ...NEEDS, timeoutMs: 60_000 },
    async ({ storage }) => {
      const content = (of: string, i: number) => [
        { type: "data", at: new Date(i), text: `${of} ${i} é `.repeat(4_000) },
      ];
      await storage.createSession("s", "u");
      await storage.addConversationMessages(
        "s",
        times(MANY, (i) => ({ role: "user", content: content("before", i) })),
      );
      const all = times(
        MANY,
        (i): StoredReplacement => ({
          kind: "message",
          sessionId: "s",
          seq: i + 1,
          from: { content: content("before", i), metadata: {} },
          to: { content: content("after", i), metadata: { i } },
        }),
      );
      equal(
        await port(storage).replaceStored(all),
        all.map(() => true),
      );
      const history = await storage.getConversationHistory("s", { limit: MANY });
      equal(
        history.map(({ content: found, metadata }, i) => [label(found) === label(content("after", i)), metadata]),
        times(MANY, (i) => [true, { i }]),
      );
      const text = "x".repeat(12 * 1_048_576);
      const put = { namespace: N, key: "k" };
      const items = times(6, () => ({ kind: "item" as const, ...put, from: { value: {} }, to: { value: { text } } }));
      await refused(port(storage).replaceStored(items));
    },
  );

  clause("P2 each kind of value is replaced where it is still what was read", NEEDS, async ({ storage }) => {
    await fill(storage);
    const before = await recordsOf(storage);
    const all = await replacementsOf(storage);
    equal(
      await port(storage).replaceStored(all),
      all.map(() => true),
    );
    equal(await valuesOf(storage), valuesAfter());
    // Only the values are others: no time, version, seq, counter or order.
    const after = await recordsOf(storage);
    const blank = ({ content, context, data, value, metadata, ...rest }: Record<string, unknown>): unknown => rest;
    equal(
      after.map((record) => blank(record as unknown as Record<string, unknown>)),
      before.map((record) => blank(record as unknown as Record<string, unknown>)),
    );
    equal(
      await port(storage).replaceStored(all),
      all.map(() => false),
      "what was replaced is no longer what was read",
    );
    equal(await valuesOf(storage), valuesAfter());
  });

  clause("P2 what somebody has changed since it was read stays as it is", NEEDS, async ({ storage, pass }) => {
    await fill(storage);
    const all = await replacementsOf(storage);
    await pass(2);
    await storage.updateSession("s", { metadata: { a: "mine" } });
    await storage.deleteConversationMessages("s", { before: 2 });
    await storage.storeCheckpoint("t", "small", { mine: 1 }, { metadata: { k: "small" } });
    await storage.storeCheckpoint("t", "large", large("mine"), { metadata: { k: "large" }, namespace: "ns" });
    await storage.putWrites("t", "small", "task", [["channel", "mine"]], { overwrite: true });
    await storage.putItem(N, "k", { mine: 1 });
    const mine = await recordsOf(storage);
    const untouched = all.map(({ kind }) => kind === "task_context");
    const results = await port(storage).replaceStored(all);
    equal(
      results.filter((_, i) => untouched[i] !== true && all[i]?.kind !== "message"),
      all.filter(({ kind }, i) => untouched[i] !== true && kind !== "message").map(() => false),
    );
    equal(
      all.map(({ kind }, i) => (kind === "message" ? results[i] : null)).filter((each) => each !== null),
      [false, true],
    );
    const now = await recordsOf(storage);
    const others = (records: typeof now): typeof now =>
      records.filter(({ kind }) => kind !== "message" && kind !== "task_context");
    equal(others(now), others(mine));
  });

  clause("P2 metadata counts as what was read, and is replaced with the value", NEEDS, async ({ storage }) => {
    await storage.createSession("s", "u");
    const { seq } = await storage.addConversationMessage("s", "user", "one", { metadata: { a: 1 } });
    await storage.storeCheckpoint("t", "c", { n: 1 }, { metadata: { a: 1 } });
    const message = { kind: "message", sessionId: "s", seq } as const;
    const checkpoint = { kind: "checkpoint", threadId: "t", namespace: "", checkpointId: "c" } as const;
    const to = { metadata: { b: [2] } };
    const swap = (a: number): StoredReplacement[] => [
      { ...message, from: { content: "one", metadata: { a } }, to: { content: "two", ...to } },
      { ...checkpoint, from: { data: { n: 1 }, metadata: { a } }, to: { data: { n: 2 }, ...to } },
    ];
    equal(await port(storage).replaceStored(swap(2)), [false, false]);
    equal(await port(storage).replaceStored(swap(1)), [true, true]);
    const [stored] = await storage.getConversationHistory("s");
    equal([stored?.content, stored?.metadata], ["two", { b: [2] }]);
    const found = await storage.getCheckpoint("t");
    equal([found?.data, found?.metadata], [{ n: 2 }, { b: [2] }]);
  });

  clause(
    "P2 a state that is replaced has another etag, and shares with the others as before",
    NEEDS,
    async ({ storage }) => {
      const infos = [];
      for (const i of times(4, (n) => n)) {
        infos.push(
          await storage.storeCheckpoint("t", `c${i}`, large(`old ${i}`), {
            parentId: i === 0 ? undefined : `c${i - 1}`,
          }),
        );
      }
      for (const [i, { etag }] of infos.entries()) {
        const known = etag === undefined ? { data: large(`old ${i}`) } : { etag };
        const [done] = await port(storage).replaceStored([
          {
            kind: "checkpoint",
            threadId: "t",
            namespace: "",
            checkpointId: `c${i}`,
            from: { ...known, metadata: {} },
            to: { data: large(`new ${i}`), metadata: {} },
          },
        ]);
        equal(done, true);
        const found = present(
          await storage.getCheckpoint("t", { checkpointId: `c${i}`, ifNoneMatch: etag ?? "-" }),
          "it",
        );
        equal([found.data, "notModified" in found], [large(`new ${i}`), false]);
      }
      const listed = await storage.listCheckpoints("t", { data: true });
      equal(
        listed.map(({ data, parentId }) => [data, parentId]),
        times(4, (n) => [large(`new ${3 - n}`), n === 3 ? undefined : `c${2 - n}`]),
      );
      await storage.copyThread("t", "copy");
      await storage.deleteThread("t");
      equal((await storage.getCheckpoint("copy"))?.data, large("new 3"));
    },
  );

  clause("P2 what is not there is not replaced, and another tenant's neither", NEEDS, async ({ storage }) => {
    await fill(storage);
    const all = await replacementsOf(storage);
    const other = storage.tenant("other");
    equal(
      await port(other).replaceStored(all),
      all.map(() => false),
    );
    equal(await recordsOf(other), []);
    await storage.deleteSession("s");
    await storage.deleteThread("t");
    await storage.deleteItem(N, "k");
    equal(
      await port(storage).replaceStored(all),
      all.map(() => false),
    );
    equal(await recordsOf(storage), []);
  });

  clause(
    "P2 of many who replace one value exactly one does, and appends beside it lose nothing",
    NEEDS,
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const messages = await storage.addConversationMessages(
        "s",
        times(MANY, (i) => ({ role: "user", content: `old ${i}` })),
      );
      const attempts = times(scale.racers, (racer) =>
        port(storage).replaceStored(
          messages.map(({ seq }, i) => ({
            kind: "message",
            sessionId: "s",
            seq,
            from: { content: `old ${i}`, metadata: {} },
            to: { content: `new ${i} of ${racer}`, metadata: {} },
          })),
        ),
      );
      const appends = times(scale.racers, (i) => storage.addConversationMessage("s", "assistant", `added ${i}`));
      const done = await Promise.all(attempts);
      const added = await Promise.all(appends);
      const history = await storage.getConversationHistory("s", { limit: 1_000 });
      equal(history.length, MANY + scale.racers);
      for (const [i] of messages.entries()) {
        const winners = done.flatMap((results, racer) => (results[i] === true ? [racer] : []));
        equal(winners.length, 1);
        equal(history[i]?.content, `new ${i} of ${winners[0]}`);
      }
      equal(
        history.slice(MANY).map(({ seq, content }) => [seq, content]),
        [...added].sort((a, b) => a.seq - b.seq).map(({ seq, content }) => [seq, content]),
      );
      const users = await storage.getConversationHistory("s", { roles: ["user"], limit: 3 });
      equal(
        users.map(({ seq }) => seq),
        messages.slice(-3).map(({ seq }) => seq),
      );
    },
  );

  clause("P2 what cannot be a replacement is refused before anything is replaced", NEEDS, async ({ storage }) => {
    await fill(storage);
    const before = await recordsOf(storage);
    const [first] = await replacementsOf(storage);
    for (const wrong of [
      {},
      { ...first, kind: "lease" },
      { ...first, sessionId: "" },
      { ...first, to: { metadata: { f: () => 1 } } },
      { ...first, more: 1 },
      null,
    ]) {
      const replacements = [first, wrong] as unknown as StoredReplacement[];
      await refused(port(storage).replaceStored(replacements), JSON.stringify(wrong));
    }
    await refused(port(storage).replaceStored(times(1_001, () => first as StoredReplacement)));
    equal(await port(storage).replaceStored([]), []);
    equal(await recordsOf(storage), before);
  });
});

/** A state of some KB, most of which others share. */
function large(name: string): object {
  return {
    name,
    list: times(80, (i) => ({ i, text: `line ${i} of a state that is long enough to be kept in pieces` })),
  };
}

async function fill(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u", { metadata: { a: 1, b: "two" } });
  await storage.addConversationMessage("s", "user", "one", { metadata: { m: 1 } });
  await storage.addConversationMessage("s", "user", [{ type: "text", text: "two" }]);
  await storage.storeTaskContext("s", { context: 1 }, { metadata: { v: 1 } });
  await storage.storeTaskContext("s", { context: 2 });
  await storage.storeCheckpoint("t", "small", { n: 1 }, { metadata: { k: "small" } });
  await storage.storeCheckpoint("t", "large", large("old"), {
    metadata: { k: "large" },
    namespace: "ns",
    sessionId: "s",
  });
  await storage.putWrites("t", "small", "task", [["channel", { w: 1 }]]);
  await storage.putItem(N, "k", { old: 1 });
}

async function replacementsOf(storage: StorageBackend): Promise<StoredReplacement[]> {
  const found = present(await storage.getCheckpoint("t", { namespace: "ns" }), "the large state");
  const etag = found.etag === undefined ? { data: found.data } : { etag: found.etag };
  const context = (version: number, metadata: object): StoredReplacement => ({
    kind: "task_context",
    sessionId: "s",
    version,
    from: { context: { context: version }, metadata: metadata as Record<string, never> },
    to: { context: ["new context", version], metadata: { v: "new" } },
  });
  return [
    { kind: "session", sessionId: "s", from: { metadata: { a: 1, b: "two" } }, to: { metadata: { a: 2, c: null } } },
    {
      kind: "message",
      sessionId: "s",
      seq: 1,
      from: { content: "one", metadata: { m: 1 } },
      to: { content: "new one", metadata: { m: 2 } },
    },
    {
      kind: "message",
      sessionId: "s",
      seq: 2,
      from: { content: [{ type: "text", text: "two" }], metadata: {} },
      to: { content: "new two", metadata: {} },
    },
    context(1, { v: 1 }),
    context(2, {}),
    {
      kind: "checkpoint",
      threadId: "t",
      namespace: "",
      checkpointId: "small",
      from: { data: { n: 1 }, metadata: { k: "small" } },
      to: { data: large("from small"), metadata: { k: "new small" } },
    },
    {
      kind: "checkpoint",
      threadId: "t",
      namespace: "ns",
      checkpointId: "large",
      from: { ...etag, metadata: { k: "large" } },
      to: { data: { n: new Map([[1, 2]]) }, metadata: { k: "new large" } },
    },
    {
      kind: "write",
      threadId: "t",
      namespace: "",
      checkpointId: "small",
      taskId: "task",
      index: 0,
      from: { value: { w: 1 } },
      to: { value: new Date(5) },
    },
    { kind: "item", namespace: N, key: "k", from: { value: { old: 1 } }, to: { value: { new: [1] } } },
  ];
}

async function valuesOf(storage: StorageBackend): Promise<unknown[]> {
  const history = await storage.getConversationHistory("s");
  const checkpoints = [
    await storage.getCheckpoint("t", { writes: true }),
    await storage.getCheckpoint("t", { namespace: "ns" }),
  ];
  const contexts = [await storage.getTaskContext("s", { version: 1 }), await storage.getTaskContext("s")];
  ok(checkpoints.length === 2, "both checkpoints are there");
  return [
    (await storage.getSession("s"))?.metadata,
    history.map(({ content, metadata }) => [content, metadata]),
    contexts.map((context) => [context?.context, context?.metadata]),
    checkpoints.map((checkpoint) => [checkpoint?.data, checkpoint?.metadata]),
    checkpoints[0]?.writes?.map(({ value, channel }) => [channel, value]),
    (await storage.getItem(N, "k"))?.value,
  ];
}

function valuesAfter(): unknown[] {
  return [
    { a: 2, c: null },
    [
      ["new one", { m: 2 }],
      ["new two", {}],
    ],
    [
      [["new context", 1], { v: "new" }],
      [["new context", 2], { v: "new" }],
    ],
    [
      [large("from small"), { k: "new small" }],
      [{ n: new Map([[1, 2]]) }, { k: "new large" }],
    ],
    [["channel", new Date(5)]],
    { new: [1] },
  ];
}
