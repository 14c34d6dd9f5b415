/** Leases: who may write, told by a fencing token and decided inside the write's own step (L1, K7). */
import type { Lease, LeaseSubject } from "../../contract/call.js";
import type { AcquireLeaseOptions } from "../../contract/lease-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, present, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const TTL_MS = 60_000;

export const leaseClauses: ClauseGroup = clauseGroup("leases", (clause) => {
  clause("L1 acquireLease gives the lease with its subject, owner and times", async ({ storage }) => {
    const lease = await acquire(storage, { thread: "t" }, "me");
    equal([lease.subject, lease.owner], [{ thread: "t" }, "me"]);
    ok(Number.isSafeInteger(lease.token) && lease.token > 0, `the token is ${lease.token}`);
    equal(lease.expiresAt.getTime() - lease.acquiredAt.getTime(), TTL_MS);
  });

  clause("L1 the times of a lease are the store's", { needs: ["clock"] }, async ({ storage, clock }) => {
    clock.advance(5_000);
    equal((await acquire(storage, { thread: "t" }, "me")).acquiredAt, new Date(clock.now()));
  });

  clause("L1 a token grows with every acquisition in the tenant and is never used twice", async ({ storage }) => {
    await storage.createSession("s", "u");
    const tokens: number[] = [];
    for (const subject of [{ thread: "t" }, { thread: "t" }, { session: "s" }, { thread: "u" }, { thread: "t" }]) {
      tokens.push((await acquire(storage, subject as LeaseSubject, "me")).token);
    }
    const last = await acquire(storage, { thread: "gone" }, "me");
    tokens.push(last.token);
    await storage.releaseLease(last);
    tokens.push((await acquire(storage, { thread: "gone" }, "me")).token);
    await storage.deleteThread("gone");
    tokens.push((await acquire(storage, { thread: "gone" }, "me")).token);
    equal(
      tokens,
      [...tokens].sort((a, b) => a - b),
    );
    equal(new Set(tokens).size, tokens.length);
  });

  clause("L1 another owner cannot acquire what is held, and the holder keeps it", async ({ storage }) => {
    const lease = await acquire(storage, { thread: "t" }, "me");
    const error = await rejects("CONFLICT", acquire(storage, { thread: "t" }, "you"));
    equal(error.operation, "acquireLease");
    await storage.storeCheckpoint("t", "c", 1, { lease });
    ok((await acquire(storage, { thread: "other" }, "you")).token > lease.token, "another subject is free");
  });

  clause("L1 the same owner may acquire again at once, and its old token is fenced off", async ({ storage }) => {
    const first = await acquire(storage, { thread: "t" }, "me");
    const second = await acquire(storage, { thread: "t" }, "me");
    ok(second.token > first.token, "the new token is larger");
    await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease: first }));
    await storage.storeCheckpoint("t", "c", 1, { lease: second });
  });

  clause(
    "L1 another owner may acquire from the instant of expiry, not before",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await acquire(storage, { thread: "t" }, "me");
      clock.advance(TTL_MS - 1);
      await rejects("CONFLICT", acquire(storage, { thread: "t" }, "you"));
      clock.advance(1);
      equal((await acquire(storage, { thread: "t" }, "you")).owner, "you");
    },
  );

  clause("L1 a lease that is older than its session or thread lets its holder write to it", async ({ storage }) => {
    const ofSession = await acquire(storage, { session: "s" }, "me");
    const ofThread = await acquire(storage, { thread: "t" }, "me");
    await storage.createSession("s", "u");
    await storage.batchCreateSessions([{ sessionId: "other", userId: "u" }]);
    await storage.addConversationMessage("s", "user", "hello", { lease: ofSession });
    await storage.storeCheckpoint("t", "c", 1, { lease: ofThread });
    await rejects("CONFLICT", acquire(storage, { session: "s" }, "you"));
    await rejects("CONFLICT", acquire(storage, { thread: "t" }, "you"));
  });

  clause("L1 another owner may acquire once the time has passed", async ({ storage, pass }) => {
    const mine = await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 100 });
    await pass(120);
    const yours = await acquire(storage, { thread: "t" }, "you");
    ok(yours.token > mine.token, "the new token is larger");
    await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease: mine }));
  });

  clause(
    "L1 renewLease prolongs the lease from now and keeps its token",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const lease = await acquire(storage, { thread: "t" }, "me");
      clock.advance(TTL_MS - 1);
      const renewed = await storage.renewLease(lease);
      equal(
        [renewed.token, renewed.owner, renewed.acquiredAt, renewed.expiresAt],
        [lease.token, "me", lease.acquiredAt, new Date(clock.now() + TTL_MS)],
      );
      clock.advance(TTL_MS - 1);
      await rejects("CONFLICT", acquire(storage, { thread: "t" }, "you"));
      equal((await storage.renewLease(lease, { ttlMs: 5 })).expiresAt, new Date(clock.now() + 5));
      clock.advance(5);
      await acquire(storage, { thread: "t" }, "you");
      await rejects("FENCED", storage.renewLease(lease));
    },
  );

  clause(
    "L1 an expired lease can be renewed until another one is acquired",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const lease = await acquire(storage, { thread: "t" }, "me");
      clock.advance(TTL_MS * 10);
      await storage.renewLease(lease);
      await rejects("CONFLICT", acquire(storage, { thread: "t" }, "you"));
    },
  );

  clause("L1 renewLease rejects with FencedError for a superseded, released or unknown lease", async ({ storage }) => {
    const first = await acquire(storage, { thread: "t" }, "me");
    const second = await acquire(storage, { thread: "t" }, "me");
    await rejects("FENCED", storage.renewLease(first));
    await storage.releaseLease(second);
    await rejects("FENCED", storage.renewLease(second));
    await rejects("FENCED", storage.renewLease({ ...second, subject: { thread: "never" } }));
  });

  clause(
    "L1 releaseLease frees the subject at once, and is false for a lease that is not current",
    async ({ storage }) => {
      const mine = await acquire(storage, { thread: "t" }, "me");
      equal(await storage.releaseLease({ ...mine, token: mine.token + 5 }), false);
      equal(await storage.releaseLease(mine), true);
      equal(await storage.releaseLease(mine), false);
      const yours = await acquire(storage, { thread: "t" }, "you");
      equal(await storage.releaseLease(mine), false);
      await storage.storeCheckpoint("t", "c", 1, { lease: yours });
      await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease: mine }));
    },
  );

  clause(
    "L1 of many racing owners exactly one acquires, and only its writes pass under a lease",
    async ({ storage, scale }) => {
      const results = await settle(times(scale.racers, (i) => acquire(storage, { thread: "t" }, `owner${i}`)));
      equal([results.values.length, results.codes.length], [1, scale.racers - 1]);
      for (const code of results.codes) equal(code, "CONFLICT");
      await storage.storeCheckpoint("t", "c", 1, { lease: present(results.values[0], "the lease") });
    },
  );

  clause(
    "L1 of many racing acquisitions by one owner each gets a token of its own, and the largest one writes",
    async ({ storage, scale }) => {
      const leases = await Promise.all(times(scale.racers, () => acquire(storage, { thread: "t" }, "me")));
      equal(new Set(leases.map((lease) => lease.token)).size, scale.racers);
      const newest = [...leases].sort((a, b) => b.token - a.token);
      for (const [index, lease] of newest.entries()) {
        const write = storage.storeCheckpoint("t", `c${index}`, 1, { lease });
        if (index === 0) await write;
        else await rejects("FENCED", write);
      }
    },
  );

  clause("L1 leases of one tenant mean nothing in another", async ({ storage }) => {
    const other = storage.tenant("other");
    for (const view of [storage, other]) await view.storeCheckpoint("t", "c", 1);
    const lease = await acquire(storage, { thread: "t" }, "me");
    await acquire(other, { thread: "t" }, "you");
    await storage.storeCheckpoint("t", "c2", 1, { lease });
    await other.deleteThread("t");
    await storage.storeCheckpoint("t", "c3", 1, { lease });
  });

  clause("L1 acquireLease and renewLease refuse bad subjects, times and fields", async ({ storage }) => {
    const options: AcquireLeaseOptions = { owner: "me", ttlMs: 1_000 };
    for (const subject of [
      null,
      undefined,
      "t",
      {},
      { session: "s", thread: "t" },
      { threads: "t" },
      { thread: "t", extra: 1 },
      [],
    ]) {
      await refused(storage.acquireLease(subject as unknown as LeaseSubject, options), `subject ${label(subject)}`);
    }
    for (const ttlMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1000", null, undefined]) {
      await refused(
        storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: ttlMs as number }),
        `ttlMs ${String(ttlMs)}`,
      );
    }
    await refused(
      storage.acquireLease({ thread: "t" }, { ...options, force: true } as AcquireLeaseOptions),
      "an unknown field",
    );
    await refused(storage.acquireLease({ thread: "t" }, undefined as unknown as AcquireLeaseOptions), "no options");
    const lease = await acquire(storage, { thread: "t" }, "me");
    for (const ttlMs of [0, -1, 1.5, "5"])
      await refused(storage.renewLease(lease, { ttlMs: ttlMs as number }), `ttlMs ${String(ttlMs)}`);
    for (const bad of [
      null,
      undefined,
      5,
      {},
      { ...lease, token: "1" },
      { ...lease, token: 0.5 },
      { ...lease, subject: "t" },
    ]) {
      await refused(storage.renewLease(bad as Lease), label(bad));
      await refused(storage.releaseLease(bad as Lease), label(bad));
      if (bad !== undefined) await refused(storage.storeCheckpoint("t", "c", 1, { lease: bad as Lease }), label(bad));
    }
  });

  clause("L1 leases are no records, and change none", async ({ storage }) => {
    await prepare(storage);
    await unchanged(storage, async () => {
      const lease = await acquire(storage, { session: "s" }, "me");
      await storage.renewLease(lease);
      await storage.releaseLease(lease);
    });
  });
});

async function prepare(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u");
  await storage.storeCheckpoint("t", "c", 1);
}

function acquire(storage: StorageBackend, subject: LeaseSubject, owner: string): Promise<Lease> {
  return storage.acquireLease(subject, { owner, ttlMs: TTL_MS });
}
