/** Fencing: which writes a lease lets through, decided inside the write's own step (L1, K7). */
import type { Lease, LeaseSubject } from "../../contract/call.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const TTL_MS = 60_000;

/** Every write that may carry a lease, on the session `s` or the thread `t`. */
const FENCED_WRITES: readonly (readonly [
  name: string,
  subject: LeaseSubject,
  write: (storage: StorageBackend, lease: Lease) => Promise<unknown>,
])[] = [
  ["updateSession", { session: "s" }, (storage, lease) => storage.updateSession("s", { markError: true }, { lease })],
  ["endSession", { session: "s" }, (storage, lease) => storage.endSession("s", "completed", { lease })],
  [
    "addConversationMessage",
    { session: "s" },
    (storage, lease) => storage.addConversationMessage("s", "user", "a", { lease }),
  ],
  [
    "addConversationMessages",
    { session: "s" },
    (storage, lease) => storage.addConversationMessages("s", [{ role: "user", content: "a" }], { lease }),
  ],
  [
    "deleteConversationMessages",
    { session: "s" },
    (storage, lease) => storage.deleteConversationMessages("s", "all", { lease }),
  ],
  ["storeTaskContext", { session: "s" }, (storage, lease) => storage.storeTaskContext("s", 1, { lease })],
  ["storeCheckpoint", { thread: "t" }, (storage, lease) => storage.storeCheckpoint("t", "c2", 1, { lease })],
  [
    "storeCheckpoint for the session",
    { session: "s" },
    (storage, lease) => storage.storeCheckpoint("t", "c2", 1, { lease, sessionId: "s" }),
  ],
  ["putWrites", { thread: "t" }, (storage, lease) => storage.putWrites("t", "c", "task", [["a", 1]], { lease })],
  ["deleteCheckpoints", { thread: "t" }, (storage, lease) => storage.deleteCheckpoints("t", ["c"], { lease })],
];

export const fencingClauses: ClauseGroup = clauseGroup("fencing", (clause) => {
  clause(
    "L1 a write under an expired lease is accepted until another one is acquired",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const lease = await acquire(storage, { thread: "t" }, "me");
      clock.advance(TTL_MS * 1_000);
      await storage.storeCheckpoint("t", "c1", 1, { lease });
      await acquire(storage, { thread: "t" }, "you");
      await rejects("FENCED", storage.storeCheckpoint("t", "c2", 2, { lease }));
    },
  );

  for (const [name, subject, write] of FENCED_WRITES) {
    clause(
      `L1 ${name} under the current lease is accepted, under an older token rejects with FencedError and changes nothing`,
      { needs: ["clock"] },
      async ({ storage, clock }) => {
        await prepare(storage);
        const old = await acquire(storage, subject, "me");
        await write(storage, old);
        clock.advance(TTL_MS);
        const current = await acquire(storage, subject, "you");
        await unchanged(storage, async () => {
          const error = await rejects("FENCED", () => write(storage, old), name);
          equal(error.retryable, false);
        });
        await write(storage, current);
      },
    );

    clause(
      `L1 ${name} under a released lease, an invented token or one of a deleted subject is refused`,
      async ({ storage }) => {
        await prepare(storage);
        const lease = await acquire(storage, subject, "me");
        await unchanged(storage, () =>
          rejects("FENCED", () => write(storage, { ...lease, token: lease.token + 1_000 }), "a token of the future"),
        );
        await write(storage, { ...lease, owner: "whoever", expiresAt: new Date(0) });
        equal(await storage.releaseLease(lease), true);
        await unchanged(storage, () => rejects("FENCED", () => write(storage, lease), "a released lease"));
      },
    );
  }

  clause("L1 a write that carries no lease is accepted while another one holds it", async ({ storage }) => {
    await prepare(storage);
    await acquire(storage, { session: "s" }, "other");
    await acquire(storage, { thread: "t" }, "other");
    await storage.updateSession("s", { markError: true });
    await storage.addConversationMessage("s", "user", "a");
    await storage.storeTaskContext("s", 1);
    await storage.storeCheckpoint("t", "c2", 1);
    await storage.putWrites("t", "c2", "task", [["a", 1]]);
  });

  clause("L1 a lease of something else than what is written is refused", async ({ storage }) => {
    await prepare(storage);
    await storage.createSession("r", "u");
    const onThread = await acquire(storage, { thread: "t" }, "me");
    const onOther = await acquire(storage, { session: "r" }, "me");
    await unchanged(storage, async () => {
      await refused(storage.updateSession("s", { markError: true }, { lease: onThread }));
      await refused(storage.updateSession("s", { markError: true }, { lease: onOther }));
      await refused(storage.storeCheckpoint("t", "c2", 1, { lease: onOther }));
      await refused(storage.putWrites("other", "c", "task", [["a", 1]], { lease: onThread }));
    });
  });

  clause(
    "L1 the lease of a thread and that of its session fence writes to the same checkpoint each in its own right",
    async ({ storage }) => {
      await prepare(storage);
      const session = await acquire(storage, { session: "s" }, "me");
      const thread = await acquire(storage, { thread: "t" }, "me");
      await storage.storeCheckpoint("t", "c3", 1, { sessionId: "s", lease: session });
      await storage.storeCheckpoint("t", "c4", 1, { sessionId: "s", lease: thread });
      await acquire(storage, { session: "s" }, "me");
      await rejects("FENCED", storage.storeCheckpoint("t", "c5", 1, { sessionId: "s", lease: session }));
      await storage.storeCheckpoint("t", "c5", 1, { sessionId: "s", lease: thread });
    },
  );

  clause(
    "L1 no write of a superseded holder lands after the first one of its successor",
    { needs: ["clock"] },
    async ({ storage, clock, scale }) => {
      await storage.createSession("s", "u");
      const old = await acquire(storage, { session: "s" }, "old");
      clock.advance(TTL_MS);
      const add = (role: string, lease: Lease): ReturnType<typeof settle> =>
        settle(times(scale.racers, (i) => storage.addConversationMessage("s", role, `${i}`, { lease })));
      const writing = add("old", old);
      const current = await acquire(storage, { session: "s" }, "new");
      const [, later, own] = await Promise.all([writing, add("old", old), add("new", current)]);
      equal(
        later.codes,
        times(scale.racers, () => "FENCED"),
      );
      equal(own.values.length, scale.racers);
      const roles = (await storage.getConversationHistory("s", { limit: 1_000 })).map((message) => message.role);
      ok(roles.lastIndexOf("old") < roles.indexOf("new"), "the messages of the old holder come first");
    },
  );

  clause(
    "K7 a write after deleteThread under an old lease is refused, also once the thread is there again",
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "c", 1);
      const lease = await acquire(storage, { thread: "t" }, "me");
      await storage.deleteThread("t");
      await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease }));
      await rejects("FENCED", storage.putWrites("t", "c", "task", [["a", 1]], { lease }));
      equal(await storage.getCheckpoint("t"), undefined);
      equal((await storage.listThreads()).items, []);
      await storage.storeCheckpoint("t", "new", 1);
      await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease }));
      await rejects("FENCED", storage.renewLease(lease));
      ok((await acquire(storage, { thread: "t" }, "you")).token > lease.token, "a later token is larger");
    },
  );

  clause("K7 a lease that was acquired before its thread is there goes with deleteThread too", async ({ storage }) => {
    const lease = await acquire(storage, { thread: "t" }, "me");
    equal(await storage.deleteThread("t"), false);
    await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease }));
  });

  clause("K7 deleteSession fences off the leases of its linked threads", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
    const lease = await acquire(storage, { thread: "t" }, "me");
    await storage.deleteSession("s");
    await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease }));
  });

  clause("K7 a copy of a thread has no part in its source's lease", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    const lease = await acquire(storage, { thread: "t" }, "me");
    await storage.copyThread("t", "copy");
    const onCopy = await acquire(storage, { thread: "copy" }, "you");
    await storage.storeCheckpoint("copy", "c2", 1, { lease: onCopy });
    await storage.storeCheckpoint("t", "c2", 1, { lease });
    await rejects(
      "FENCED",
      storage.storeCheckpoint("copy", "c3", 1, { lease: { ...lease, subject: { thread: "copy" } } }),
    );
  });

  clause(
    "L1 an absent session is told before a lease is looked at, and a lease before a version",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      const lease = await acquire(storage, { session: "s" }, "me");
      const later = await acquire(storage, { session: "s" }, "me");
      await rejects("FENCED", storage.updateSession("s", { expectedVersion: 99 }, { lease }));
      await rejects("CONFLICT", storage.updateSession("s", { expectedVersion: 99 }, { lease: later }));
      await storage.deleteSession("s");
      await rejects("SESSION_NOT_FOUND", storage.updateSession("s", { markError: true }, { lease: later }));
    },
  );
});

async function prepare(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u");
  await storage.storeCheckpoint("t", "c", 1);
}

function acquire(storage: StorageBackend, subject: LeaseSubject, owner: string): Promise<Lease> {
  return storage.acquireLease(subject, { owner, ttlMs: TTL_MS });
}
