/** Limits: the last value that is taken and the first that is refused (I1, V1, V2, F2). */
import type { WriteInput } from "../../contract/checkpoint-storage.js";
import type { NewMessage } from "../../contract/conversation-storage.js";
import type { Item, ItemOperation } from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import type { NewSession } from "../../contract/session-storage.js";
import { equal, filterIn, ok, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { valueDifference } from "../value-difference.js";

const MAX_TTL_MS = 100_000 * 24 * 3_600_000;

const MAX_LEASE_TTL_MS = 30 * 24 * 3_600_000;

/** For calls about thousands of things. */
const PATIENT = { timeoutMs: 60_000 };

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

  clause("C6 5,000 messages are added in one call, and more refused", PATIENT, async ({ storage }) => {
    await storage.createSession("s", "u");
    const messages = times(5_001, (i): NewMessage => ({ role: "user", content: `${i}` }));
    const refusal = await refused(storage.addConversationMessages("s", messages));
    ok(refusal.message.includes("5000") && refusal.message.includes("several calls"), "the limit is named");
    equal((await storage.getSession("s"))?.lastSeq, 0);
    const added = await storage.addConversationMessages("s", messages.slice(1));
    equal([added.length, added.at(-1)?.seq, added.at(-1)?.content], [5_000, 5_000, "5000"]);
    equal((await storage.getSession("s"))?.messageCount, 5_000);
  });

  clause("K3 10,000 writes are put in one call, and more refused", PATIENT, async ({ storage }) => {
    const writes = times(10_001, (i): WriteInput => ["c", i]);
    const refusal = await refused(storage.putWrites("t", "c", "task", writes));
    ok(refusal.message.includes("10000") && refusal.message.includes("several calls"), "the limit is named");
    equal(await storage.getWrites("t", "c"), []);
    await storage.putWrites("t", "c", "task", writes.slice(1));
    const found = await storage.getWrites("t", "c");
    equal([found.length, found.at(-1)?.value], [10_000, 10_000]);
  });

  clause(
    "S1 5,000 sessions are created and 10,000 asked for in one call, and more refused",
    PATIENT,
    async ({ storage }) => {
      const sessions = times(5_001, (i): NewSession => ({ sessionId: `s${i}`, userId: "u" }));
      const refusal = await refused(storage.batchCreateSessions(sessions));
      ok(refusal.message.includes("5000") && refusal.message.includes("several calls"), "the limit is named");
      equal((await storage.batchCreateSessions(sessions.slice(1))).length, 5_000);
      const ids = times(10_001, (i) => `s${i}`);
      ok((await refused(storage.batchGetSessions(ids))).message.includes("10000"), "the limit is named");
      const found = await storage.batchGetSessions(ids.slice(1));
      equal([found.length, found[4_999]?.sessionId, found[5_000]], [10_000, "s5000", undefined]);
    },
  );

  clause("M3 2,000 operations are one batch, and more refused", PATIENT, async ({ storage }) => {
    const puts = times(2_001, (i): ItemOperation => ({ put: { namespace: ["n"], key: `k${i}`, value: { i } } }));
    const refusal = await refused(storage.batchItems(puts));
    ok(refusal.message.includes("2000") && refusal.message.includes("several calls"), "the limit is named");
    equal(await storage.countItems(["n"]), 0);
    equal((await storage.batchItems(puts.slice(1))).length, 2_000);
    equal(await storage.countItems(["n"]), 2_000);
  });

  clause("V1 values of one call that are large together come back as they were", PATIENT, async ({ storage }) => {
    await storage.createSession("s", "u");
    const part = (i: number) => ({
      type: "data",
      at: new Date(i),
      list: times(200, (k) => i + k / 3),
      text: `${i} é `.repeat(4_000),
    });
    const messages = times(
      200,
      (i): NewMessage => ({ role: "user", content: i % 3 === 0 ? `${i} `.repeat(6_000) : [part(i)] }),
    );
    await storage.addConversationMessages("s", messages);
    const history = await storage.getConversationHistory("s", { limit: 200 });
    await storage.putWrites(
      "t",
      "c",
      "task",
      messages.map(({ content }) => ["c", content]),
    );
    const writes = await storage.getWrites("t", "c");
    const items = messages.map(({ content }) => ({ text: String(content), list: times(100, (i) => ({ i })) }));
    await storage.batchItems(items.map((value, i) => ({ put: { namespace: ["n"], key: `${i}`, value } })));
    const found = await storage.batchItems(items.map((_, i) => ({ get: { namespace: ["n"], key: `${i}` } })));
    for (const [i, { content }] of messages.entries()) {
      ok(valueDifference(history[i]?.content, content) === undefined, `message ${i} comes back`);
      ok(valueDifference(writes[i]?.value, content) === undefined, `write ${i} comes back`);
      equal((found[i] as Item).value, items[i], `item ${i}`);
    }
  });

  clause("V1 values of more than 64 MiB together are refused in one call", PATIENT, async ({ storage }) => {
    await storage.createSession("s", "u");
    const text = "x".repeat(10 * 1_048_576);
    const messages = times(8, (): NewMessage => ({ role: "user", content: text }));
    const inSeveral = /67108864 bytes in one call rather than several/;
    await unchanged(storage, async () => {
      const ofMessages = await rejects("SERIALIZATION", storage.addConversationMessages("s", messages));
      ok(inSeveral.test(ofMessages.message), "the limit is named");
      const writes = times(8, (): WriteInput => ["c", text]);
      ok(inSeveral.test((await rejects("SERIALIZATION", storage.putWrites("t", "c", "a", writes))).message), "writes");
      const puts = times(8, (i) => ({ put: { namespace: ["n"], key: `${i}`, value: { text } } }));
      ok(inSeveral.test((await refused(storage.batchItems(puts))).message), "items");
    });
  });

  clause("M6 the updates of one batch make values of at most 64 MiB together", PATIENT, async ({ storage }) => {
    const text = "x".repeat(14 * 1_048_576);
    const keys = ["a", "b", "c", "d", "e"];
    for (const key of keys) await storage.putItem(["n"], key, { text });
    const updates = keys.map((key) => ({ update: { namespace: ["n"], key, increment: { n: 1 } } }));
    const error = await refused(storage.batchItems([{ put: { namespace: ["n"], key: "f", value: {} } }, ...updates]));
    ok(/67108864 bytes together; use several calls/.test(error.message), "the limit is named");
    equal(await storage.getItem(["n"], "f"), undefined);
    await storage.batchItems(updates.slice(0, 2));
    const versions = await Promise.all(keys.map(async (key) => (await storage.getItem(["n"], key))?.version));
    equal(versions, [2, 2, 1, 1, 1]);
  });

  clause("V2 metadata of more than 4 MiB together is refused in one call", async ({ storage }) => {
    await storage.createSession("s", "u");
    const metadata = { text: "x".repeat(900_000) };
    const inSeveral = /4194304 bytes of JSON text; use several calls/;
    await unchanged(storage, async () => {
      const sessions = times(5, (i): NewSession => ({ sessionId: `n${i}`, userId: "u", metadata }));
      ok(inSeveral.test((await refused(storage.batchCreateSessions(sessions))).message), "sessions");
      const messages = times(5, (): NewMessage => ({ role: "user", content: "x", metadata }));
      ok(inSeveral.test((await refused(storage.addConversationMessages("s", messages))).message), "messages");
    });
  });

  clause("V2 metadata has at most 100,000 arrays and objects, elements and properties", async ({ storage }) => {
    const metadata = { list: times(99_997, () => 1) };
    await storage.createSession("s", "u", { metadata });
    equal((await storage.getSession("s"))?.metadata, metadata);
    await unchanged(storage, async () => {
      await refused(storage.createSession("r", "u", { metadata: { list: times(99_998, () => 1) } }));
    });
  });

  clause("C2 10,000 roles are asked for in one call, and more refused", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "r9999", "x");
    const roles = times(10_001, (i) => `r${i}`);
    equal((await storage.getConversationHistory("s", { roles: roles.slice(0, -1) })).length, 1);
    await refused(storage.getConversationHistory("s", { roles }));
  });

  clause("S9 10,000 keys of metadata are removed in one call, and more refused", async ({ storage }) => {
    await storage.createSession("s", "u", { metadata: { k9999: 1, other: 2 } });
    const keys = times(10_001, (i) => `k${i}`);
    await unchanged(storage, () => refused(storage.updateSession("s", { unsetMetadata: keys })));
    equal((await storage.updateSession("s", { unsetMetadata: keys.slice(0, -1) })).metadata, { other: 2 });
  });

  clause("M6 10,000 keys of an item are removed in one call, and more refused", async ({ storage }) => {
    await storage.putItem(["n"], "k", { k9999: 1, other: 2 });
    const unset = times(10_001, (i) => `k${i}`);
    await unchanged(storage, () => refused(storage.updateItem(["n"], "k", { unset })));
    equal((await storage.updateItem(["n"], "k", { unset: unset.slice(0, -1) })).value, { other: 2 });
  });

  clause("S7 a filter of more than 1,000 conditions is refused", async ({ storage }) => {
    const conditions = Object.fromEntries(times(1_001, (i) => [`k${i}`, i]));
    await refused(storage.listSessions({ metadata: conditions }));
    await refused(storage.listCheckpoints("t", { metadata: conditions }));
  });

  clause("M2 a filter of more than 1,000 conditions, or with a list of more than 10,000, is refused", async (test) => {
    const { storage } = test;
    const filter = Object.fromEntries(times(1_001, (i) => [`k${i}`, i]));
    await refused(storage.searchItems(["n"], { filter }));
    await refused(storage.countItems(["n"], { filter }));
    await refused(storage.searchItems(["n"], { filter: { a: { $in: times(10_001, (i) => i) } } }));
    await refused(storage.countItems(["n"], { filter: { a: { $nin: times(10_001, (i) => i) } } }));
  });

  clause("M2 a filter of 1,000 conditions is taken", async ({ storage, support }) => {
    const value = Object.fromEntries(times(1_000, (i) => [`k${i}`, i]));
    await storage.putItem(["n"], "all", value);
    await storage.putItem(["n"], "most", { ...value, k500: -1 });
    equal(await storage.countItems(["n"], filterIn(support, value)), support.itemFilters === false ? 2 : 1);
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
