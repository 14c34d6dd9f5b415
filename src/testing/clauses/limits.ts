/** Limits: the last value that is taken and the first that is refused (I1, V1, V2, F2). */
import type { JsonObject } from "../../contract/json.js";
import { equal, ok, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { valueDifference } from "../value-difference.js";

const MAX_TTL_MS = 100_000 * 24 * 3_600_000;

const MAX_LEASE_TTL_MS = 30 * 24 * 3_600_000;

const DAY_MS = 24 * 3_600_000;

export const limitClauses: ClauseGroup = clauseGroup("limits", (clause) => {
  clause("V1 a value of 1,000 levels is kept, and one of 1,001 refused", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", arrays(1_000));
    const found = await storage.getCheckpoint("t");
    ok(valueDifference(found?.data, arrays(1_000)) === undefined, "the value of 1,000 levels comes back");
    await unchanged(storage, () => rejects("SERIALIZATION", storage.storeCheckpoint("t", "c", arrays(1_001))));
  });

  clause("V2 metadata of 64 levels is kept, and of 65 refused", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: objects(64) });
    equal((await storage.getSession("s"))?.metadata, objects(64));
    await unchanged(storage, () => refused(storage.updateSession("s", { metadata: objects(65) })));
  });

  clause(
    "V2 an item's value of 64 levels and of 16 MiB is kept, and more refused",
    { timeoutMs: 60_000 },
    async ({ storage }) => {
      await storage.putItem(["n"], "deep", objects(64));
      equal((await storage.getItem(["n"], "deep"))?.value, objects(64));
      await refused(storage.putItem(["n"], "deep", objects(65)));
      const text = "x".repeat(16 * 1_048_576 - '{"a":""}'.length);
      await storage.putItem(["n"], "large", { a: text });
      ok((await storage.getItem(["n"], "large"))?.value.a === text, "the value of 16 MiB comes back");
      await refused(storage.putItem(["n"], "large", { a: `${text}x` }));
    },
  );

  clause("S8 a time to live of 100,000 days is taken, and more refused", async ({ storage }) => {
    const session = await storage.createSession("s", "u", { ttlMs: MAX_TTL_MS });
    equal(session.expiresAt, new Date(session.updatedAt.getTime() + MAX_TTL_MS));
    await refused(storage.createSession("r", "u", { ttlMs: MAX_TTL_MS + 1 }));
    const item = await storage.putItem(["n"], "k", {}, { ttlMs: MAX_TTL_MS });
    equal(item.expiresAt, new Date(item.updatedAt.getTime() + MAX_TTL_MS));
    await refused(storage.putItem(["n"], "k", {}, { ttlMs: MAX_TTL_MS + 1 }));
    equal((await storage.createSession("short", "u", { ttlMs: 1 })).ttlMs, 1);
  });

  clause("L1 a lease of 30 days is taken, and more refused", async ({ storage }) => {
    const lease = await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: MAX_LEASE_TTL_MS });
    equal(lease.expiresAt.getTime() - lease.acquiredAt.getTime(), MAX_LEASE_TTL_MS);
    await refused(storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: MAX_LEASE_TTL_MS + 1 }));
    await refused(storage.renewLease(lease, { ttlMs: MAX_LEASE_TTL_MS + 1 }));
  });

  clause("F2 a deadline of a day is taken, and more refused", async ({ storage }) => {
    await storage.createSession("s", "u", { timeoutMs: DAY_MS });
    await refused(storage.getSession("s", { timeoutMs: DAY_MS + 1 }));
  });

  clause("M1 a page of 1,000 items is whole", async ({ storage }) => {
    const puts = times(1_001, (i) => ({ put: { namespace: ["n"], key: `k${i}`, value: { i } } }));
    await storage.batchItems(puts);
    const page = await storage.searchItems(["n"], { limit: 1_000 });
    equal([page.items.length, page.nextCursor !== undefined], [1_000, true]);
  });
});

function arrays(levels: number): unknown {
  let value: unknown[] = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

function objects(levels: number): JsonObject {
  let value: JsonObject = {};
  for (let level = 1; level < levels; level++) value = { n: value };
  return value;
}
