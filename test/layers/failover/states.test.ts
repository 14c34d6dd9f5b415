// The states of a failover: who answers, what is refused, and the way back, with stores that fail at a word.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type FailoverEvent, type FailoverLayer, type FailoverOptions, failover } from "../../../src/layers/index.js";
import { type FaultPlan, type FaultyStorage, faultyStorage } from "../../../src/testing/faulty-storage.js";
import { keptJournal } from "./kept-journal.js";
import { everyRecord } from "./workload.js";

let folder: string;
let journals = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "waystone-states-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Pair {
  readonly primary: FaultyStorage;
  readonly fallback: FaultyStorage;
  readonly layer: FailoverLayer;
  readonly storage: StorageBackend;
  readonly events: FailoverEvent[];
  readonly journal: string;
}

const PATIENT = { timeout: 20_000 };

/** What happens by itself after a while happens here when it is called for. */
function pairOf(options: Partial<FailoverOptions> = {}, plan?: FaultPlan, stores?: Pair): Pair {
  const primary = stores?.primary ?? faultyStorage(memoryStorage(), plan);
  const fallback = stores?.fallback ?? faultyStorage(memoryStorage());
  const events: FailoverEvent[] = [];
  journals += 1;
  const journal = join(folder, `${journals}.journal`);
  const layer = failover({
    fallback: fallback.storage,
    mode: "sync-both",
    journal,
    cooldownMs: 0,
    probeIntervalMs: 60_000,
    probeTimeoutMs: 10_000,
    attemptTimeoutMs: 10_000,
    copyTimeoutMs: 10_000,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { primary, fallback, layer, storage: layer(primary.storage), events, journal };
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "answered",
    (error: { code: string; outcome: string }) => `${error.code} ${error.outcome}`,
  );
}

async function texts(storage: StorageBackend, sessionId = "s"): Promise<unknown[]> {
  return (await storage.getConversationHistory(sessionId)).map(({ content }) => content);
}

async function equalStores({ primary, fallback }: Pair): Promise<void> {
  expect(await everyRecord(fallback.storage)).toEqual(await everyRecord(primary.storage));
}

describe("over and back", () => {
  it.each(["sync-both", "primary-then-fallback"] as const)("%s", async (mode) => {
    const pair = pairOf({ mode });
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    await storage.addConversationMessage("s", "user", "one");
    await storage.storeCheckpoint("t", "c", { state: 1 }, { sessionId: "s" });
    await storage.putItem(["n"], "k", { a: 1 }, { ttlMs: 3_600_000 });
    expect(await pair.layer.flush()).toBe(true);
    expect((await storage.healthCheck()).status).toBe("healthy");

    pair.primary.disconnect();
    await storage.addConversationMessage("s", "user", "two");
    await storage.storeCheckpoint("t", "d", { state: 2 });
    await storage.updateItem(["n"], "k", { increment: { a: 1 } });
    expect(await texts(storage)).toEqual(["one", "two"]);
    expect(pair.layer.stats()).toMatchObject({ state: "degraded", serving: "fallback", epoch: 2, switches: 1 });
    expect((await storage.healthCheck()).status).toBe("degraded");
    expect(await pair.layer.check()).toBe("degraded");

    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("primary");
    expect(pair.layer.stats()).toMatchObject({ serving: "primary", epoch: 3, lag: { primary: 0, fallback: 0 } });
    expect(await texts(pair.primary.storage)).toEqual(["one", "two"]);
    await equalStores(pair);
    const states = pair.events.flatMap((event) => (event.type === "state" ? [event.state] : []));
    expect(states.filter((state, i) => state !== states[i - 1]).slice(0, 1)).toEqual(["degraded"]);
    expect(states.slice(-2)).toEqual(["recovering", "primary"]);
  });

  it("changes once in a cool-down", async () => {
    const pair = pairOf({ cooldownMs: 3_000 });
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    pair.primary.disconnect();
    await storage.addConversationMessage("s", "user", "one");
    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("degraded");
    await new Promise((resolve) => setTimeout(resolve, 3_020));
    expect(await pair.layer.check()).toBe("primary");
    pair.primary.disconnect();
    expect(await codeOf(storage.addConversationMessage("s", "user", "two"))).toBe("CONNECTION not-applied");
    expect(await texts(storage)).toEqual(["one"]);
    expect(pair.layer.stats().switches).toBe(2);
  });

  it("finds a primary that hangs", async () => {
    const pair = pairOf({ probeTimeoutMs: 50, attemptTimeoutMs: 200, copyTimeoutMs: 200 });
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    pair.primary.hang();
    const hanging = storage.addConversationMessage("s", "user", "late", { messageId: "m" });
    await expect.poll(() => pair.layer.stats().state, PATIENT).toBe("degraded");
    await storage.addConversationMessage("s", "user", "one");
    pair.primary.reconnect();
    await hanging;
    expect(await pair.layer.check()).toBe("primary");
    expect((await texts(storage)).sort()).toEqual(["late", "one"]);
    await equalStores(pair);
  });
});

describe("what was told is so", () => {
  it("a write whose answer was lost is unknown, and gone or there once", async () => {
    let loses = false;
    const plan: FaultPlan = ({ operation }) =>
      loses && operation === "addConversationMessage" ? { at: "after" } : undefined;
    const pair = pairOf({}, plan);
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    loses = true;
    const call = storage.addConversationMessage("s", "user", "one");
    expect(await codeOf(call)).toBe("CONNECTION unknown");
    pair.primary.disconnect();
    loses = false;
    await storage.addConversationMessage("s", "user", "two");
    pair.primary.reconnect();
    await pair.layer.check();
    expect((await texts(storage)).filter((text) => text === "two")).toEqual(["two"]);
    await equalStores(pair);
  });

  it("an idempotency key holds across both stores", async () => {
    const pair = pairOf();
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    const count = (key: string): Promise<{ readonly requestCount: number }> =>
      storage.updateSession("s", { incrementRequests: true, idempotencyKey: key });
    expect((await count("a")).requestCount).toBe(1);
    pair.primary.disconnect();
    expect((await count("a")).requestCount).toBe(1);
    expect((await count("b")).requestCount).toBe(2);
    expect(await codeOf(storage.updateSession("s", { markError: true, idempotencyKey: "a" }))).toBe(
      "CONFLICT not-applied",
    );
    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("primary");
    expect((await count("a")).requestCount).toBe(1);
    expect((await count("b")).requestCount).toBe(2);
    expect((await storage.getSession("s"))?.requestCount).toBe(2);
  });

  it("a lease of the store before is fenced off, and the next token is larger", async () => {
    const pair = pairOf();
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    const old = await storage.acquireLease({ session: "s" }, { owner: "a", ttlMs: 60_000 });
    await storage.addConversationMessage("s", "user", "one", { lease: old });
    pair.primary.disconnect();
    expect(await codeOf(storage.addConversationMessage("s", "user", "two", { lease: old }))).toBe("FENCED not-applied");
    const lease = await storage.acquireLease({ session: "s" }, { owner: "b", ttlMs: 60_000 });
    expect(lease.token).toBeGreaterThan(old.token);
    await storage.addConversationMessage("s", "user", "three", { lease });
    pair.primary.reconnect();
    await pair.layer.check();
    expect(await codeOf(storage.addConversationMessage("s", "user", "four", { lease: old }))).toBe(
      "FENCED not-applied",
    );
    expect(await codeOf(storage.addConversationMessage("s", "user", "four", { lease }))).toBe("FENCED not-applied");
  });
});

describe("a store that may miss something", () => {
  /** The fallback was away for a while, and the primary is now. */
  async function lagging(options: Partial<FailoverOptions>): Promise<Pair> {
    const pair = pairOf(options);
    await pair.storage.createSession("s", "ada");
    await pair.storage.createSession("other", "ada");
    await pair.layer.flush();
    pair.fallback.disconnect();
    await pair.storage.addConversationMessage("s", "user", "one");
    await expect.poll(() => pair.layer.stats().isFallbackAway, PATIENT).toBe(true);
    expect(pair.layer.stats().lag.fallback).toBe(1);
    pair.fallback.reconnect();
    pair.primary.disconnect();
    return pair;
  }

  it.each(["sync-both", "primary-then-fallback"] as const)("does not answer for it: %s", async (mode) => {
    const pair = await lagging({ mode });
    await using storage = pair.storage;
    expect(await codeOf(storage.getConversationHistory("s"))).toBe("CONNECTION not-applied");
    expect(await codeOf(storage.addConversationMessage("s", "user", "two"))).toBe("CONNECTION not-applied");
    expect(await codeOf(storage.listSessions())).toBe("CONNECTION not-applied");
    await storage.addConversationMessage("other", "user", "goes on");
    expect(await texts(storage, "other")).toEqual(["goes on"]);
    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("primary");
    expect(await pair.layer.flush()).toBe(true);
    expect(await texts(storage)).toEqual(["one"]);
    await equalStores(pair);
  });

  it("answers where that is allowed, and says so", async () => {
    const pair = await lagging({ staleReads: "allow" });
    await using storage = pair.storage;
    const stale = await storage.getConversationHistory("s");
    expect(stale).toEqual([]);
    expect(pair.layer.isStale(stale)).toBe(true);
    expect(pair.layer.isStale(await storage.getSession("other"))).toBe(false);
    expect(pair.layer.stats().staleReads).toBe(1);
    expect(pair.events).toContainEqual({
      type: "stale-read",
      operation: "getConversationHistory",
      tenant: "default",
      from: "fallback",
    });
  });

  it("is brought up to date before it is the fallback of a new journal", async () => {
    const primary = faultyStorage(memoryStorage());
    await primary.storage.createSession("before", "ada");
    await primary.storage.putItem(["n"], "k", { a: 1 });
    const fallback = faultyStorage(memoryStorage());
    await fallback.storage.createSession("left over", "ada");
    const pair = pairOf({}, undefined, { primary, fallback } as Pair);
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    expect(await pair.layer.flush()).toBe(true);
    await equalStores(pair);
    expect(await fallback.storage.getSession("left over")).toBeUndefined();
  });
});

describe("one failover has two stores", () => {
  it("another journal takes them over, and fences the first", async () => {
    const first = pairOf();
    await first.storage.createSession("s", "ada");
    const second = pairOf({}, undefined, first);
    await using storage = second.storage;
    await storage.addConversationMessage("s", "user", "one");
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await codeOf(first.storage.addConversationMessage("s", "user", "late"))).toBe("FENCED not-applied");
    expect(first.events).toContainEqual({ type: "superseded" });
    expect(await texts(storage)).toEqual(["one"]);
  });

  it("but not while the fallback is in charge", async () => {
    const first = pairOf();
    await using storage = first.storage;
    await storage.createSession("s", "ada");
    first.primary.disconnect();
    await storage.addConversationMessage("s", "user", "one");
    first.primary.reconnect();
    const second = pairOf({}, undefined, first);
    expect(await codeOf(second.storage.getSession("s"))).toBe("CONFLICT not-applied");
  });

  it("a journal that another one has open is refused", async () => {
    const first = pairOf();
    await using storage = first.storage;
    await storage.createSession("s", "ada");
    const second = pairOf({ journal: first.journal });
    expect(await codeOf(second.storage.getSession("s"))).toBe("CONNECTION not-applied");
  });

  it("a second storage, and a tenant's view, are refused", async () => {
    const { layer } = pairOf();
    expect(() => layer(memoryStorage())).toThrow("stands around one storage");
    const journal = join(folder, "unused.journal");
    const another = failover({ fallback: memoryStorage(), mode: "sync-both", journal });
    expect(() => another(memoryStorage().tenant("a"))).toThrow();
  });
});

describe("fallback-on-failure", () => {
  it("takes what begins, brings it to the primary, and keeps nothing", async () => {
    const pair = pairOf({ mode: "fallback-on-failure" });
    await using storage = pair.storage;
    await storage.createSession("old", "ada");
    pair.primary.disconnect();
    expect(await codeOf(storage.addConversationMessage("old", "user", "x"))).toBe("CONNECTION not-applied");
    expect(await codeOf(storage.createSession("new", "ada", { ifExists: "return" }))).toBe("CONNECTION not-applied");
    await storage.createSession("new", "ada");
    await storage.addConversationMessage("new", "user", "one");
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "new" });
    await storage.putItem(["n"], "k", { a: 1 }, { ifAbsent: true });
    expect(await codeOf(storage.putItem(["n"], "known", { a: 1 }))).toBe("CONNECTION not-applied");
    expect(await texts(storage, "new")).toEqual(["one"]);
    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("primary");
    expect(await texts(pair.primary.storage, "new")).toEqual(["one"]);
    expect((await storage.getCheckpoint("t"))?.data).toBe(1);
    expect((await storage.getItem(["n"], "k"))?.version).toBe(1);
    expect(await everyRecord(pair.fallback.storage)).toEqual([]);
  });

  it("leaves a name that both have to a person", async () => {
    const pair = pairOf({ mode: "fallback-on-failure" });
    await using storage = pair.storage;
    await storage.createSession("s", "ada");
    pair.primary.disconnect();
    await storage.createSession("s", "eve");
    pair.primary.reconnect();
    expect(await pair.layer.check()).toBe("primary");
    expect((await storage.getSession("s"))?.userId).toBe("ada");
    expect((await pair.fallback.storage.getSession("s"))?.userId).toBe("eve");
    expect(pair.layer.stats().diverged).toBe(1);
    expect(pair.events.some(({ type }) => type === "diverged")).toBe(true);
    expect((await storage.healthCheck()).status).toBe("degraded");
  });
});

it("goes on after its process has ended, with the fallback in charge", async () => {
  const journal = keptJournal();
  const first = pairOf({ journal });
  await first.storage.createSession("s", "ada");
  first.primary.disconnect();
  await first.storage.addConversationMessage("s", "user", "one");
  // As if the process were gone: nothing is closed, and nobody asks the first one again.
  const second = pairOf({ journal }, undefined, first);
  await using storage = second.storage;
  await storage.addConversationMessage("s", "user", "two");
  expect(second.layer.stats()).toMatchObject({ state: "degraded", serving: "fallback", epoch: 2 });
  first.primary.reconnect();
  expect(await second.layer.check()).toBe("primary");
  expect(await texts(first.primary.storage)).toEqual(["one", "two"]);
  await equalStores(second);
});
