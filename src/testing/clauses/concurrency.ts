/** Two handles on one store: what holds for one caller holds for all of them (S1, S2, C1, K8, L1). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, itemsOf, ok, recordsOf, rejects, settle, times } from "../assertions.js";
import { type AddClause, type ClauseContext, type ClauseGroup, clauseGroup } from "../clause.js";

/** A clause with two handles, and calls that go to one and the other in turn. */
type WithHandles = (
  handles: readonly [StorageBackend, StorageBackend],
  racing: <T>(call: (storage: StorageBackend, index: number) => Promise<T>) => Promise<T>[],
  context: ClauseContext,
) => Promise<void>;

export const concurrencyClauses: ClauseGroup = clauseGroup("two handles", (clause) => {
  const shared = twoHandles(clause);

  shared("S1 what one handle has stored the other sees at once", async ([a, b]) => {
    for (let i = 0; i < 10; i++) {
      const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a];
      await writer.createSession(`s${i}`, "u");
      equal((await reader.getSession(`s${i}`))?.sessionId, `s${i}`);
      await reader.addConversationMessage(`s${i}`, "user", "a");
      equal((await writer.getConversationHistory(`s${i}`)).length, 1);
      await writer.storeCheckpoint("t", `c${i}`, i);
      equal((await reader.getCheckpoint("t"))?.data, i);
      await writer.storeTaskContext(`s${i}`, i);
      equal((await reader.getTaskContext(`s${i}`))?.context, i);
      await reader.putItem(["n"], "k", { i });
      equal((await writer.getItem(["n"], "k"))?.value, { i });
      await writer.deleteSession(`s${i}`);
      equal(await reader.getSession(`s${i}`), undefined);
    }
    equal(await recordsOf(a), await recordsOf(b));
  });

  shared("S1 of many racing creators over two handles exactly one creates", async ([a, b], racing, { scale }) => {
    const { values, codes } = await settle(racing((storage, i) => storage.createSession("s", `u${i}`)));
    equal([values.length, codes], [1, times(scale.racers - 1, () => "SESSION_EXISTS")]);
    equal([await a.getSession("s"), await b.getSession("s")], [values[0], values[0]]);
  });

  shared(
    "S2 many increments over two handles raise the count by exactly their number",
    async ([a, b], racing, { scale }) => {
      await a.createSession("s", "u");
      for (let round = 1; round <= 3; round++) {
        await Promise.all(
          racing((storage) =>
            storage.updateSession("s", { incrementRequests: true, markError: true, addProcessingTime: 0.5 }),
          ),
        );
        const session = await b.getSession("s");
        const count = round * scale.racers;
        equal(
          [session?.requestCount, session?.errorCount, session?.totalProcessingTime, session?.version],
          [count, count, count / 2, count + 1],
        );
      }
    },
  );

  shared("S4 of many writers over two handles that expect one version exactly one succeeds", async ([a], racing) => {
    await a.createSession("s", "u");
    const { values } = await settle(
      racing((storage, i) => storage.updateSession("s", { expectedVersion: 1, metadata: { i } })),
    );
    equal(values.length, 1);
    equal(await a.getSession("s"), values[0]);
  });

  shared("S5 one idempotency key over two handles takes effect once", async ([a, b], racing) => {
    await a.createSession("s", "u");
    const { values, codes } = await settle(
      racing((storage) => storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true })),
    );
    equal(codes, []);
    for (const session of values) equal(session, values[0]);
    equal((await b.getSession("s"))?.requestCount, 1);
  });

  shared("S9 merges of different keys over two handles are all kept", async ([a, b], racing, { scale }) => {
    await a.createSession("s", "u");
    await Promise.all(racing((storage, i) => storage.updateSession("s", { metadata: { [`k${i}`]: i } })));
    equal((await b.getSession("s"))?.metadata, Object.fromEntries(times(scale.racers, (i) => [`k${i}`, i])));
  });

  shared("C1 messages over two handles have every seq once, without gaps", async ([a, b], racing, { scale }) => {
    await a.createSession("s", "u");
    const added = await Promise.all(
      racing((storage, i) =>
        storage.addConversationMessages(
          "s",
          [0, 1, 2].map((part) => ({ role: "user", content: `${i}.${part}` })),
        ),
      ),
    );
    equal(
      added
        .flat()
        .map((message) => message.seq)
        .sort((x, y) => x - y),
      times(scale.racers * 3, (i) => i + 1),
    );
    const history = await b.getConversationHistory("s", { limit: 10_000 });
    equal(
      history,
      added.flat().sort((x, y) => x.seq - y.seq),
    );
    equal((await a.getSession("s"))?.messageCount, scale.racers * 3);
  });

  shared("C4 one messageId over two handles is added once", async ([a, b], racing) => {
    await a.createSession("s", "u");
    const { values, codes } = await settle(
      racing((storage, i) => storage.addConversationMessage("s", "user", `${i}`, { messageId: "m" })),
    );
    equal(codes, []);
    for (const message of values) equal(message, values[0]);
    equal(await b.getConversationHistory("s"), [values[0]]);
  });

  shared(
    "K2 checkpoints over two handles each have a seq of their own, and one is the latest for both",
    async ([a, b], racing, { scale }) => {
      const stored = await Promise.all(racing((storage, i) => storage.storeCheckpoint("t", `c${i}`, i)));
      equal(new Set(stored.map((info) => info.seq)).size, scale.racers);
      const newest = [...stored].sort((x, y) => y.seq - x.seq)[0];
      equal(
        [(await a.getCheckpoint("t"))?.checkpointId, (await b.getCheckpoint("t"))?.checkpointId],
        [newest?.checkpointId, newest?.checkpointId],
      );
    },
  );

  shared("K3 of racing first writes over two handles exactly one is kept", async ([a, b], racing) => {
    await Promise.all(
      racing((storage, i) =>
        storage.putWrites("t", "c", "task", [
          ["a", i],
          ["b", i],
        ]),
      ),
    );
    const found = await a.getWrites("t", "c");
    equal([found.length, found[0]?.value], [2, found[1]?.value]);
    equal(await b.getWrites("t", "c"), found);
  });

  shared("K8 of many writers over two handles on one head exactly one succeeds, each time", async ([a, b], racing) => {
    for (let step = 0; step < 5; step++) {
      const expectedHead = (await a.getCheckpoint("t"))?.checkpointId ?? null;
      const { values, codes } = await settle(
        racing((storage, i) => storage.storeCheckpoint("t", `c${step}-${i}`, i, { expectedHead })),
      );
      equal(values.length, 1);
      for (const code of codes) equal(code, "CONFLICT");
      equal((await b.getCheckpoint("t"))?.checkpointId, values[0]?.checkpointId);
    }
    equal((await a.listCheckpoints("t")).length, 5);
  });

  shared(
    "T1 of many writers over two handles that expect one context version exactly one succeeds",
    async ([a, b], racing) => {
      await a.createSession("s", "u");
      for (const expectedVersion of [0, 1, 2]) {
        const { values } = await settle(racing((storage, i) => storage.storeTaskContext("s", i, { expectedVersion })));
        equal(
          values.map((info) => info.version),
          [expectedVersion + 1],
        );
        equal((await b.getTaskContext("s"))?.version, expectedVersion + 1);
      }
    },
  );

  shared(
    "M1 of many puts over two handles with ifAbsent exactly one succeeds, and versions are never given twice",
    async ([a, b], racing, { scale }) => {
      const { values } = await settle(racing((storage, i) => storage.putItem(["n"], "k", { i }, { ifAbsent: true })));
      equal(values.length, 1);
      const items = await Promise.all(racing((storage, i) => storage.putItem(["n"], "k", { i })));
      equal(
        items.map((item) => item.version).sort((x, y) => x - y),
        times(scale.racers, (i) => i + 2),
      );
      equal(await a.getItem(["n"], "k"), await b.getItem(["n"], "k"));
    },
  );

  shared(
    "L1 a lease over two handles is one lease: tokens grow, and an old one is fenced on both",
    async ([a, b], racing) => {
      const owners = await settle(
        racing((storage, i) => storage.acquireLease({ thread: "t" }, { owner: `o${i}`, ttlMs: 60_000 })),
      );
      equal(owners.values.length, 1);
      const first = owners.values[0];
      ok(first !== undefined, "one owner has the lease");
      const second = await b.acquireLease({ thread: "t" }, { owner: first.owner, ttlMs: 60_000 });
      ok(second.token > first.token, "the second token is larger");
      for (const storage of [a, b]) {
        await rejects("FENCED", storage.storeCheckpoint("t", "old", 1, { lease: first }));
        await storage.storeCheckpoint("t", "new", 1, { lease: second });
      }
      equal(await a.releaseLease(second), true);
      for (const storage of [a, b]) await rejects("FENCED", storage.storeCheckpoint("t", "new", 1, { lease: second }));
      const tokens = await Promise.all(
        racing((storage) => storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 60_000 })),
      );
      equal(new Set(tokens.map((lease) => lease.token)).size, tokens.length);
    },
  );

  shared("S7 pages that begin on one handle go on on the other", async ([a, b]) => {
    for (let i = 0; i < 10; i++) await a.createSession(`s${i}`, "u");
    const handles = [a, b];
    const found = await itemsOf((cursor) =>
      (handles.reverse()[0] as StorageBackend).listSessions({ limit: 3, cursor }),
    );
    equal(found, (await b.listSessions()).items);
  });

  shared("S10 of racing deletions over two handles exactly one says true", async ([a, b], racing, { scale }) => {
    await a.createSession("s", "u");
    await a.addConversationMessage("s", "user", "a");
    const { values, codes } = await settle(racing((storage) => storage.deleteSession("s")));
    equal([values.filter(Boolean).length, values.length, codes], [1, scale.racers, []]);
    equal(await recordsOf(b), []);
  });

  shared("S8 cleanup over two handles at once removes every idle session once", async ([a, b], _racing, { pass }) => {
    await a.batchCreateSessions(times(30, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    await pass(5);
    const counts = await Promise.all(
      [a, b].map((storage) => storage.cleanupExpiredSessions({ maxIdleHours: 0, batchSize: 3 })),
    );
    equal(
      counts.reduce((sum, count) => sum + count, 0),
      30,
    );
    equal(await recordsOf(b), []);
  });

  shared("K1 threads that are made by a write and linked to a session at once lose nothing", async ([a, b], racing) => {
    await a.createSession("s", "u");
    const racers = racing(() => Promise.resolve()).length;
    for (let round = 0; round < 4; round++) {
      const thread = `t${round}`;
      const calls: Promise<unknown>[] = [
        ...racing((storage, i) => storage.putWrites(thread, `c${i}`, "task", [["a", i]])),
        ...racing((storage, i) => storage.storeCheckpoint(thread, `c${i}`, { i }, { sessionId: "s" })),
      ];
      const { codes } = await settle(calls);
      equal(codes, []);
      const checkpoints = await b.listCheckpoints(thread, { limit: 10_000, writes: true });
      equal(checkpoints.length, racers);
      for (const { checkpointId, writes } of checkpoints) {
        equal(
          writes?.map(({ value }) => `c${value}`),
          [checkpointId],
        );
      }
    }
  });

  shared("F2 a storm of everything at once over two handles leaves a store that is whole", async ([a, b], racing) => {
    await a.createSession("s", "u");
    const calls: Promise<unknown>[] = [
      ...racing((storage) => storage.updateSession("s", { incrementRequests: true })),
      ...racing((storage, i) => storage.addConversationMessage("s", "user", `${i}`)),
      ...racing((storage, i) => storage.storeCheckpoint("t", `c${i}`, { i }, { sessionId: "s" })),
      ...racing((storage, i) => storage.putWrites("t", `c${i}`, "task", [["a", i]])),
      ...racing((storage, i) => storage.storeTaskContext("s", i)),
      ...racing((storage, i) => storage.putItem(["n"], `k${i % 3}`, { i })),
      ...racing((storage) => storage.listSessions()),
      ...racing((storage) => storage.getCheckpoint("t", { writes: true })),
    ];
    const { codes } = await settle(calls);
    equal(codes, []);
    const racers = calls.length / 8;
    const session = await b.getSession("s");
    equal([session?.requestCount, session?.messageCount, session?.lastSeq], [racers, racers, racers]);
    const checkpoints = await a.listCheckpoints("t", { limit: 10_000, data: true, writes: true });
    equal(checkpoints.length, racers);
    for (const { data, writes } of checkpoints)
      equal(
        writes?.map((write) => write.value),
        [(data as { i: number }).i],
      );
    equal((await b.getTaskContext("s"))?.version, racers);
  });
});

function twoHandles(clause: AddClause): (name: string, body: WithHandles) => void {
  return (name, body) => {
    clause(name, { needs: ["secondHandle"] }, async (context) => {
      const handles = [context.storage, await context.open()] as const;
      const racing = <T>(call: (storage: StorageBackend, index: number) => Promise<T>): Promise<T>[] =>
        times(context.scale.racers, (i) => call(handles[i % 2 === 0 ? 0 : 1], i));
      await body(handles, racing, context);
    });
  };
}
