/** Sessions: creation, changes, counters, versions, ends, what is absent (S1-S4, S6, S9, S11). */
import type { SessionUpdate } from "../../contract/session-storage.js";
import { equal, ok, present, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const sessionClauses: ClauseGroup = clauseGroup("sessions", (clause) => {
  clause("S1 createSession returns the new session, and getSession the same", async ({ storage }) => {
    const session = await storage.createSession("s", "u", { metadata: { a: 1 } });
    equal(session, {
      sessionId: "s",
      userId: "u",
      status: "active",
      metadata: { a: 1 },
      createdAt: session.createdAt,
      updatedAt: session.createdAt,
      version: 1,
      requestCount: 0,
      totalProcessingTime: 0,
      errorCount: 0,
      messageCount: 0,
      lastSeq: 0,
    });
    ok(session.createdAt instanceof Date, "createdAt is a Date");
    equal(await storage.getSession("s"), session);
  });

  clause("S1 createdAt is the store's clock", { needs: ["clock"] }, async ({ storage, clock }) => {
    equal((await storage.createSession("s", "u")).createdAt, new Date(clock.now()));
  });

  clause(
    "S1 createSession on an id that exists rejects with SessionExistsError and changes nothing",
    async ({ storage }) => {
      await storage.createSession("s", "u", { metadata: { a: 1 } });
      await storage.addConversationMessage("s", "user", "kept");
      await unchanged(storage, async () => {
        await rejects("SESSION_EXISTS", storage.createSession("s", "other", { metadata: { b: 2 } }));
        await rejects("SESSION_EXISTS", storage.createSession("s", "u", { ifExists: "error" }));
      });
    },
  );

  clause("S1 createSession with ifExists return gives the stored session unchanged", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1 } });
    const stored = await storage.updateSession("s", { incrementRequests: true, status: "failed" });
    const returned = await unchanged(storage, () =>
      storage.createSession("s", "other", { metadata: { b: 2 }, ttlMs: 5_000, ifExists: "return" }),
    );
    equal(returned, stored);
  });

  clause("S1 createSession with ifExists return creates what is not there", async ({ storage }) => {
    equal((await storage.createSession("s", "u", { ifExists: "return" })).version, 1);
    ok((await storage.getSession("s")) !== undefined, "the session is there");
  });

  clause("S1 createSession refuses another word for ifExists", async ({ storage }) => {
    await refused(storage.createSession("s", "u", { ifExists: "overwrite" as "return" }));
    equal(await storage.getSession("s"), undefined);
  });

  clause("S1 of many racing creators exactly one creates, and all see its session", async ({ storage, scale }) => {
    const results = await settle(times(scale.racers, (i) => storage.createSession("s", `u${i}`)));
    equal(results.values.length, 1);
    equal(
      results.codes,
      times(scale.racers - 1, () => "SESSION_EXISTS"),
    );
    equal(await storage.getSession("s"), results.values[0]);
  });

  clause(
    "S1 of many racing creators with ifExists return all get the session of the one that created",
    async ({ storage, scale }) => {
      const { values } = await settle(
        times(scale.racers, (i) => storage.createSession("s", `u${i}`, { ifExists: "return" })),
      );
      equal(values.length, scale.racers);
      equal(new Set(values.map((session) => session.userId)).size, 1);
    },
  );

  clause("S2 incrementRequests counts one for true, and as many as it says for an integer", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal((await storage.updateSession("s", { incrementRequests: true })).requestCount, 1);
    equal((await storage.updateSession("s", { incrementRequests: 41 })).requestCount, 42);
    equal((await storage.updateSession("s", { incrementRequests: false })).requestCount, 42);
    equal((await storage.getSession("s"))?.requestCount, 42);
  });

  clause("S2 incrementRequests refuses what is not a positive integer", async ({ storage }) => {
    await storage.createSession("s", "u");
    await refusesEach(storage, "incrementRequests", [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1", null, {}]);
  });

  clause("S2 S3 an update counts at most 1,000,000,000 requests and seconds", async ({ storage }) => {
    await storage.createSession("s", "u");
    const most = { incrementRequests: 1_000_000_000, addProcessingTime: 1_000_000_000 };
    await storage.updateSession("s", most);
    const twice = await storage.updateSession("s", most);
    equal([twice.requestCount, twice.totalProcessingTime], [2_000_000_000, 2_000_000_000]);
    await refusesEach(storage, "incrementRequests", [1_000_000_001, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]);
    await refusesEach(storage, "addProcessingTime", [1_000_000_000.001, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]);
  });

  clause("S2 many concurrent increments raise the count by exactly their number", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const sessions = await Promise.all(
      times(scale.racers, () => storage.updateSession("s", { incrementRequests: true })),
    );
    equal(
      sessions.map((session) => session.requestCount).sort((a, b) => a - b),
      times(scale.racers, (i) => i + 1),
    );
    const session = present(await storage.getSession("s"), "the session");
    equal([session.requestCount, session.version], [scale.racers, scale.racers + 1]);
  });

  clause("S3 addProcessingTime adds seconds, fractions too", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal((await storage.updateSession("s", { addProcessingTime: 1.25 })).totalProcessingTime, 1.25);
    equal((await storage.updateSession("s", { addProcessingTime: 0 })).totalProcessingTime, 1.25);
    equal((await storage.updateSession("s", { addProcessingTime: 0.1 })).totalProcessingTime, 1.25 + 0.1);
    equal((await storage.getSession("s"))?.totalProcessingTime, 1.25 + 0.1);
  });

  clause("S3 addProcessingTime refuses a negative, infinite or missing number", async ({ storage }) => {
    await storage.createSession("s", "u");
    await refusesEach(storage, "addProcessingTime", [
      -0.001,
      -1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "1",
      null,
      true,
      1n,
    ]);
  });

  clause("S3 concurrent additions of processing time and errors are all counted", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    await Promise.all(
      times(scale.racers, () => storage.updateSession("s", { addProcessingTime: 0.25, markError: true })),
    );
    const session = present(await storage.getSession("s"), "the session");
    equal([session.totalProcessingTime, session.errorCount], [scale.racers / 4, scale.racers]);
  });

  clause("S3 markError raises errorCount by one, and false does not", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal((await storage.updateSession("s", { markError: true })).errorCount, 1);
    equal((await storage.updateSession("s", { markError: false })).errorCount, 1);
    equal((await storage.updateSession("s", { markError: true })).errorCount, 2);
    await refusesEach(storage, "markError", [1, "true", null]);
  });

  clause("S4 version counts each updateSession and endSession, and no other write", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal((await storage.updateSession("s", { markError: true })).version, 2);
    equal((await storage.updateSession("s", { metadata: { a: 1 } })).version, 3);
    await storage.addConversationMessage("s", "user", "a");
    await storage.storeTaskContext("s", 1);
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
    equal((await storage.getSession("s"))?.version, 3);
    equal((await storage.endSession("s")).version, 4);
  });

  clause(
    "S4 updatedAt moves with every write that belongs to the session, and with no read",
    async ({ storage, pass }) => {
      await storage.createSession("s", "u");
      const writes: (readonly [string, () => Promise<unknown>])[] = [
        ["updateSession", () => storage.updateSession("s", { markError: true })],
        ["addConversationMessage", () => storage.addConversationMessage("s", "user", "a")],
        ["addConversationMessages", () => storage.addConversationMessages("s", [{ role: "user", content: "a" }])],
        ["storeTaskContext", () => storage.storeTaskContext("s", 1)],
        ["storeCheckpoint", () => storage.storeCheckpoint("t", "c", 1, { sessionId: "s" })],
        ["endSession", () => storage.endSession("s")],
      ];
      for (const [name, write] of writes) {
        const before = present(await storage.getSession("s"), "the session");
        await pass(5);
        await write();
        const after = present(await storage.getSession("s"), "the session");
        ok(after.updatedAt > before.updatedAt, `updatedAt moves with ${name}`);
        equal(after.createdAt, before.createdAt);
      }
      const before = await storage.getSession("s");
      await pass(5);
      await storage.getConversationHistory("s");
      await storage.getTaskContext("s");
      await storage.listSessions();
      await storage.getCheckpoint("t");
      equal(await storage.getSession("s"), before);
    },
  );

  clause(
    "S4 an expectedVersion that is current is accepted, another one rejects and changes nothing",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      equal((await storage.updateSession("s", { expectedVersion: 1, markError: true })).version, 2);
      await unchanged(storage, async () => {
        for (const expectedVersion of [1, 3, 1_000_000]) {
          await rejects(
            "CONFLICT",
            storage.updateSession("s", { expectedVersion, markError: true, metadata: { a: 1 } }),
          );
        }
      });
      await refusesEach(storage, "expectedVersion", [-1, 1.5, Number.NaN, "2", null]);
    },
  );

  clause("S4 of many writers that expect one version exactly one succeeds", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const results = await settle(
      times(scale.racers, (writer) => storage.updateSession("s", { expectedVersion: 1, metadata: { writer } })),
    );
    equal(results.values.length, 1);
    equal(
      results.codes,
      times(scale.racers - 1, () => "CONFLICT"),
    );
    equal(await storage.getSession("s"), results.values[0]);
  });

  clause("S4 fields that are absent or undefined change nothing", async ({ storage }) => {
    const created = await storage.createSession("s", "u", { metadata: { a: 1 } });
    const update: SessionUpdate = {
      metadata: undefined,
      unsetMetadata: undefined,
      status: undefined,
      incrementRequests: undefined,
      addProcessingTime: undefined,
      markError: undefined,
      expectedVersion: undefined,
      idempotencyKey: undefined,
    };
    const { version: _version, updatedAt: _updatedAt, ...updated } = await storage.updateSession("s", update);
    const { version: _first, updatedAt: _then, ...expected } = created;
    equal(updated, expected);
  });

  clause("S4 an update that changes nothing is legal and counts as a version", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1 } });
    equal((await storage.updateSession("s", {})).version, 2);
    equal((await storage.updateSession("s", { status: "active", metadata: { a: 1 } })).version, 3);
    equal((await storage.getSession("s"))?.version, 3);
  });

  clause("S4 one update changes status, metadata and counters in one step", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { a: 1, b: 2 } });
    const updated = await storage.updateSession("s", {
      metadata: { a: 3 },
      unsetMetadata: ["b"],
      status: "failed",
      incrementRequests: 2,
      addProcessingTime: 0.5,
      markError: true,
      expectedVersion: 1,
      idempotencyKey: "k",
    });
    equal(
      [
        updated.metadata,
        updated.status,
        updated.requestCount,
        updated.totalProcessingTime,
        updated.errorCount,
        updated.version,
      ],
      [{ a: 3 }, "failed", 2, 0.5, 1, 2],
    );
    equal(await storage.getSession("s"), updated);
  });

  clause("S4 updateSession refuses an unknown field, an unknown status and what is no update", async ({ storage }) => {
    await storage.createSession("s", "u");
    await unchanged(storage, async () => {
      await refused(storage.updateSession("s", { userId: "other" } as SessionUpdate), "an unknown field");
      for (const update of [null, undefined, "a", 1, []]) {
        await refused(storage.updateSession("s", update as unknown as SessionUpdate), String(update));
      }
    });
    await refusesEach(storage, "status", ["done", "", null, 1, ["active"], "__proto__"]);
  });
});

async function refusesEach(
  storage: Parameters<typeof unchanged>[0],
  field: keyof SessionUpdate,
  values: readonly unknown[],
): Promise<void> {
  await unchanged(storage, async () => {
    for (const value of values) {
      await refused(storage.updateSession("s", { [field]: value } as SessionUpdate), `${field}: ${String(value)}`);
    }
  });
}
