/** Task contexts: versions, compare-and-set, sharing (T1-T3). */

import type { StorageBackend } from "../../contract/storage-backend.js";
import type { ListTaskContextVersionsOptions, StoreTaskContextOptions } from "../../contract/task-context-storage.js";
import { equal, label, ok, present, recordsOf, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, type ClauseOptions, clauseGroup } from "../clause.js";

const SHARED: ClauseOptions = { needs: ["sharedContexts"] };

export const taskContextClauses: ClauseGroup = clauseGroup("task contexts", (clause) => {
  clause("T1 each store makes the next version, and getTaskContext gives the newest", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (let version = 1; version <= 3; version++) {
      const info = await storage.storeTaskContext("s", { step: version }, { metadata: { v: version } });
      equal(info, {
        sessionId: "s",
        version,
        metadata: { v: version },
        createdAt: info.createdAt,
        sizeBytes: info.sizeBytes,
      });
      ok(info.sizeBytes > 0, "sizeBytes is positive");
      equal(await storage.getTaskContext("s"), { ...info, context: { step: version } });
    }
  });

  clause(
    "T1 getTaskContext gives the version that is asked for, undefined for one that is not there",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      for (let version = 1; version <= 3; version++) await storage.storeTaskContext("s", { step: version });
      equal((await storage.getTaskContext("s", { version: 1 }))?.context, { step: 1 });
      equal((await storage.getTaskContext("s", { version: 3 }))?.context, { step: 3 });
      equal(await storage.getTaskContext("s", { version: 4 }), undefined);
      for (const version of [0, -1, 1.5, Number.NaN, "1", null]) {
        await refused(storage.getTaskContext("s", { version: version as number }), `version ${String(version)}`);
      }
    },
  );

  clause("T1 expectedVersion stores only on that version, 0 means none yet", async ({ storage }) => {
    await storage.createSession("s", "u");
    await rejects("CONFLICT", storage.storeTaskContext("s", 0, { expectedVersion: 1 }));
    equal((await storage.storeTaskContext("s", 1, { expectedVersion: 0 })).version, 1);
    equal((await storage.storeTaskContext("s", 2, { expectedVersion: 1 })).version, 2);
    await unchanged(storage, async () => {
      for (const expectedVersion of [0, 1, 3])
        await rejects("CONFLICT", storage.storeTaskContext("s", 3, { expectedVersion }));
    });
    equal((await storage.getTaskContext("s"))?.context, 2);
  });

  clause("T1 of many writers that expect one version exactly one succeeds", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    for (const expectedVersion of [0, 1]) {
      const results = await settle(
        times(scale.racers, (i) => storage.storeTaskContext("s", { writer: i }, { expectedVersion })),
      );
      equal(
        results.values.map((info) => info.version),
        [expectedVersion + 1],
      );
      equal(
        results.codes,
        times(scale.racers - 1, () => "CONFLICT"),
      );
    }
  });

  clause("T1 concurrent stores without expectation each make a version of their own", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const stored = await Promise.all(times(scale.racers, (i) => storage.storeTaskContext("s", i)));
    equal(
      stored.map((info) => info.version).sort((a, b) => a - b),
      times(scale.racers, (i) => i + 1),
    );
    const newest = stored.findIndex((info) => info.version === scale.racers);
    equal((await storage.getTaskContext("s"))?.context, newest);
  });

  clause("T1 storeTaskContext refuses unknown fields and bad values, and changes nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    const options: object[] = [
      { expectedVersion: -1 },
      { expectedVersion: 1.5 },
      { expectedVersion: "0" },
      { expectedVersion: null },
      { version: 1 },
      { metadata: [] },
    ];
    await unchanged(storage, async () => {
      for (const each of options)
        await refused(storage.storeTaskContext("s", 1, each as StoreTaskContextOptions), label(each));
    });
  });

  clause("T1 createdAt of a version is the store's time", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    clock.advance(777);
    await storage.storeTaskContext("s", 1);
    equal((await storage.getTaskContext("s"))?.createdAt, new Date(clock.now()));
  });

  clause("T2 the newest 20 versions are kept", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (let version = 1; version <= 25; version++) await storage.storeTaskContext("s", version);
    equal(
      await versions(storage, "s", { limit: 100 }),
      times(20, (i) => 25 - i),
    );
    equal(await storage.getTaskContext("s", { version: 5 }), undefined);
    equal((await storage.getTaskContext("s", { version: 6 }))?.context, 6);
    equal((await storage.storeTaskContext("s", 26)).version, 26);
    equal(await storage.getTaskContext("s", { version: 6 }), undefined);
    equal((await recordsOf(storage, { kinds: ["task_context"] })).length, 20);
  });

  clause(
    "T2 listTaskContextVersions gives the newest first, by limit and before, without contents",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      for (let version = 1; version <= 6; version++) await storage.storeTaskContext("s", version);
      equal(await versions(storage, "s"), [6, 5, 4, 3, 2, 1]);
      equal(await versions(storage, "s", { limit: 2 }), [6, 5]);
      equal(await versions(storage, "s", { limit: 0 }), []);
      equal(await versions(storage, "s", { before: 4 }), [3, 2, 1]);
      equal(await versions(storage, "s", { before: 4, limit: 1 }), [3]);
      equal(await versions(storage, "s", { before: 1 }), []);
      equal(await versions(storage, "s", { before: 100, limit: 10_000 }), [6, 5, 4, 3, 2, 1]);
      equal("context" in ((await storage.listTaskContextVersions("s"))[0] ?? {}), false);
      for (const options of [
        { limit: -1 },
        { limit: 10_001 },
        { limit: "1" },
        { before: -1 },
        { before: 1.5 },
        { after: 1 },
      ]) {
        await refused(storage.listTaskContextVersions("s", options as ListTaskContextVersionsOptions), label(options));
      }
    },
  );

  clause("T3 sessions that share a context read and write the same versions", SHARED, async ({ storage }) => {
    await sessions(storage, "a", "b");
    await storage.storeTaskContext("a", "one");
    await storage.shareTaskContext("a", "b");
    equal((await storage.getTaskContext("b"))?.context, "one");
    equal((await storage.storeTaskContext("b", "two")).version, 2);
    equal((await storage.getTaskContext("a"))?.context, "two");
    await rejects("CONFLICT", storage.storeTaskContext("a", "late", { expectedVersion: 1 }));
    equal((await storage.storeTaskContext("a", "three", { expectedVersion: 2 })).version, 3);
    equal(await versions(storage, "b"), [3, 2, 1]);
    equal((await storage.getTaskContext("b"))?.sessionId, "b");
    equal((await storage.listTaskContextVersions("a"))[0]?.sessionId, "a");
  });

  clause(
    "T3 sharing moves the second session's updatedAt and not the first one's",
    SHARED,
    async ({ storage, pass }) => {
      await sessions(storage, "a", "b");
      await storage.storeTaskContext("a", "one");
      const [first, second] = await storage.batchGetSessions(["a", "b"]);
      await pass(5);
      await storage.shareTaskContext("a", "b");
      const [firstAfter, secondAfter] = await storage.batchGetSessions(["a", "b"]);
      equal(firstAfter, first);
      ok(present(secondAfter, "b").updatedAt > present(second, "b").updatedAt, "the updatedAt of b has moved");
      equal(secondAfter?.version, second?.version);
    },
  );

  clause("T3 what the second session had alone is dropped", SHARED, async ({ storage }) => {
    await sessions(storage, "a", "b");
    await storage.storeTaskContext("a", "of a");
    for (let i = 0; i < 3; i++) await storage.storeTaskContext("b", "of b");
    await storage.shareTaskContext("a", "b");
    equal([(await storage.getTaskContext("b"))?.context, await versions(storage, "b")], ["of a", [1]]);
    equal((await recordsOf(storage, { kinds: ["task_context"] })).length, 1);
  });

  clause("T3 what the second session shared with a third one stays for that one", SHARED, async ({ storage }) => {
    await sessions(storage, "a", "b", "c");
    await storage.storeTaskContext("a", "of a");
    await storage.storeTaskContext("b", "of b");
    await storage.shareTaskContext("b", "c");
    await storage.shareTaskContext("a", "b");
    equal(
      [(await storage.getTaskContext("b"))?.context, (await storage.getTaskContext("c"))?.context],
      ["of a", "of b"],
    );
    await storage.storeTaskContext("c", "more of c");
    equal((await storage.getTaskContext("b"))?.context, "of a");
  });

  clause("T3 a context can be shared before its first version is stored", SHARED, async ({ storage }) => {
    await sessions(storage, "a", "b");
    await storage.shareTaskContext("a", "b");
    equal([await storage.getTaskContext("a"), await storage.getTaskContext("b")], [undefined, undefined]);
    equal((await storage.storeTaskContext("b", "one", { expectedVersion: 0 })).version, 1);
    equal((await storage.getTaskContext("a"))?.context, "one");
  });

  clause("T3 sharing again what is shared changes nothing that is read", SHARED, async ({ storage }) => {
    await sessions(storage, "a", "b");
    await storage.storeTaskContext("a", "one");
    await storage.shareTaskContext("a", "b");
    await storage.shareTaskContext("a", "b");
    await storage.shareTaskContext("b", "a");
    equal([(await storage.getTaskContext("a"))?.context, (await storage.getTaskContext("b"))?.context], ["one", "one"]);
  });

  clause("T3 a context lives until its last session is deleted, in whichever order", SHARED, async ({ storage }) => {
    for (const order of [
      ["a", "b", "c"],
      ["c", "b", "a"],
    ]) {
      await sessions(storage, "a", "b", "c");
      await storage.storeTaskContext("a", "one");
      await storage.shareTaskContext("a", "b");
      await storage.shareTaskContext("b", "c");
      const [first, second, last] = order as [string, string, string];
      await storage.deleteSession(first);
      equal((await storage.getTaskContext(second))?.context, "one");
      equal((await storage.storeTaskContext(last, "two")).version, 2);
      await storage.deleteSession(second);
      equal((await storage.getTaskContext(last))?.context, "two");
      await storage.deleteSession(last);
      equal(await recordsOf(storage), []);
    }
  });

  clause(
    "T3 a session that is created anew has no part in the context that it had shared",
    SHARED,
    async ({ storage }) => {
      await sessions(storage, "a", "b");
      await storage.storeTaskContext("a", "one");
      await storage.shareTaskContext("a", "b");
      await storage.deleteSession("b");
      await storage.createSession("b", "u");
      equal(await storage.getTaskContext("b"), undefined);
      await storage.storeTaskContext("b", "own");
      equal((await storage.getTaskContext("a"))?.context, "one");
    },
  );

  clause("T3 sharing a session's context with itself is refused", SHARED, async ({ storage }) => {
    await sessions(storage, "a");
    await storage.storeTaskContext("a", "one");
    await unchanged(storage, () => refused(storage.shareTaskContext("a", "a")));
    equal((await storage.getTaskContext("a"))?.context, "one");
  });

  clause("T3 a context belongs to its own session when nothing is shared", async ({ storage }) => {
    await sessions(storage, "a", "b");
    await storage.storeTaskContext("a", "of a");
    equal(await storage.getTaskContext("b"), undefined);
    equal((await storage.storeTaskContext("b", "of b")).version, 1);
    equal(present(await storage.getTaskContext("a"), "the context").context, "of a");
  });

  clause(
    "F6 shareTaskContext is carried out for whichever sessions, or refused with UnsupportedError and changes nothing",
    async ({ storage, support }) => {
      const ids = times(12, (i) => `s${i}`);
      await sessions(storage, ...ids);
      await storage.storeTaskContext("s0", "shared");
      for (const id of ids.slice(1)) {
        if (support.sharedContexts === false) {
          await unchanged(storage, () => rejects("UNSUPPORTED", storage.shareTaskContext("s0", id)));
        } else {
          await storage.shareTaskContext("s0", id);
          equal((await storage.getTaskContext(id))?.context, "shared");
        }
      }
    },
  );

  clause(
    "T3 concurrent writers of sessions that share a context lose no version",
    SHARED,
    async ({ storage, scale }) => {
      await sessions(storage, "a", "b");
      await storage.shareTaskContext("a", "b");
      const stored = await Promise.all(
        times(scale.racers, (i) => storage.storeTaskContext(i % 2 === 0 ? "a" : "b", i)),
      );
      equal(
        stored.map((info) => info.version).sort((x, y) => x - y),
        times(scale.racers, (i) => i + 1),
      );
      equal((await storage.getTaskContext("a"))?.version, (await storage.getTaskContext("b"))?.version);
    },
  );
});

async function sessions(storage: StorageBackend, ...ids: string[]): Promise<void> {
  for (const id of ids) await storage.createSession(id, "u");
}

async function versions(
  storage: StorageBackend,
  sessionId: string,
  options?: ListTaskContextVersionsOptions,
): Promise<number[]> {
  return (await storage.listTaskContextVersions(sessionId, options)).map((info) => info.version);
}
