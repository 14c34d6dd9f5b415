// What has only grown is brought to the fallback by its end: how much that is, and that both stores are the same after whatever was done.
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type FailoverLayer, type FailoverMode, failover, intercept } from "../../../src/layers/index.js";
import { keptJournal } from "./kept-journal.js";
import { everyRecord } from "./workload.js";

const MODES = ["sync-both", "primary-then-fallback"] as const;

interface Copy {
  readonly onConflict: unknown;
  readonly records: readonly StorageRecord[];
}

class Watched {
  readonly primary: StorageBackend = memoryStorage();
  readonly fallback: StorageBackend = memoryStorage();
  readonly layer: FailoverLayer;
  readonly storage: StorageBackend;
  #copies: Copy[] = [];

  /** @param pause comes before and after each call of a store */
  constructor(mode: FailoverMode, pause?: () => Promise<unknown>, journal = keptJournal(), stores?: Watched) {
    if (stores !== undefined) ({ primary: this.primary, fallback: this.fallback } = stores);
    const slow = (backend: StorageBackend): StorageBackend =>
      intercept(backend, async (_call, next) => {
        await pause?.();
        const result = await next();
        await pause?.();
        return result;
      });
    const fallback = intercept(slow(this.fallback), (call, next) => {
      if (call.operation === "importRecords") {
        const [records, options] = call.args as [readonly StorageRecord[], { readonly onConflict?: unknown }];
        this.#copies.push({ onConflict: options.onConflict, records });
      }
      return next();
    });
    this.layer = failover({ fallback, mode, journal });
    this.storage = this.layer(slow(this.primary));
  }

  /** What a write has copied. Both stores are the same after it. */
  async copies(write: () => Promise<unknown>): Promise<Copy[]> {
    await this.settle();
    this.#copies = [];
    await write();
    await this.settle();
    return this.#copies;
  }

  async settle(): Promise<void> {
    expect(await this.layer.flush()).toBe(true);
    expect(await everyRecord(this.fallback)).toEqual(await everyRecord(this.primary));
  }
}

function kindsOf(copies: readonly Copy[]): string {
  return copies.map(({ onConflict, records }) => `${onConflict}: ${records.map(({ kind }) => kind)}`).join("; ");
}

function bytesOf(copies: readonly Copy[]): number {
  return Buffer.byteLength(JSON.stringify(copies));
}

const state = (n: number): object => ({ step: n, text: `state ${n % 10} `.repeat(20) });

async function filled(stores: Watched, length: number): Promise<void> {
  const { storage } = stores;
  await storage.createSession("s", "ada");
  const messages = Array.from({ length }, (_, i) => ({ role: "user", content: `message ${i}` }));
  await storage.addConversationMessages("s", messages);
  for (let i = 1; i <= length / 10; i += 1) {
    await storage.storeCheckpoint("linked", `c${i}`, state(i), { sessionId: "s" });
    await storage.storeCheckpoint("alone", `c${i}`, state(i), { namespace: "n" });
    await storage.putWrites("linked", `c${i}`, "task", [["channel", i]]);
  }
  await stores.settle();
}

describe.each(MODES)("%s", (mode) => {
  it("copies as much for a long history as for a short one", async () => {
    const bytes: number[][] = [];
    for (const length of [100, 1_000]) {
      const stores = new Watched(mode);
      await using storage = stores.storage;
      await filled(stores, length);
      const newest = `c${length / 10}`;
      const costs: number[] = [];
      const costing = async (kinds: string, write: () => Promise<unknown>): Promise<void> => {
        const copies = await stores.copies(write);
        expect(kindsOf(copies)).toBe(kinds);
        costs.push(bytesOf(copies));
      };
      await costing("extend: session,message", () => storage.addConversationMessage("s", "user", "more"));
      await costing("extend: session,message,message", () =>
        storage.addConversationMessages("s", [
          { role: "user", content: "more" },
          { role: "tool", content: [{ type: "data", value: 1 }] },
        ]),
      );
      await costing("extend: session", () => storage.updateSession("s", { incrementRequests: true }));
      await costing("extend: session", () => storage.updateSession("s", { markError: true, idempotencyKey: "k" }));
      await costing("extend: session", () => storage.createSession("s", "ada", { ifExists: "return" }));
      await costing("extend: session,thread,checkpoint", () => storage.storeCheckpoint("linked", "new", state(1)));
      await costing("extend: session,thread,checkpoint", () =>
        storage.storeCheckpoint("linked", "newer", state(2), { sessionId: "s", parentId: "new" }),
      );
      await costing("extend: session,thread,write,write", () =>
        storage.putWrites("linked", "newer", "task", [
          ["a", 1],
          ["b", 2],
        ]),
      );
      await costing("extend: session,thread,write,write", () =>
        storage.putWrites("linked", "newer", "task", [["a", 3]], { overwrite: true }),
      );
      await costing("extend: thread,checkpoint", () =>
        storage.storeCheckpoint("alone", "new", state(1), { namespace: "n" }),
      );
      await costing("extend: thread,write", () =>
        storage.putWrites("alone", newest, "task", [["a", 1]], { namespace: "n" }),
      );
      await costing("extend: session", () => storage.endSession("s", "completed"));
      bytes.push(costs);
    }
    const [short = [], long = []] = bytes;
    expect(long).toHaveLength(short.length);
    for (const [i, cost] of long.entries()) expect(cost).toBeLessThan((short[i] ?? 0) + 30);
  });

  it("copies whole what has not only grown, and its end the next time", async () => {
    const stores = new Watched(mode);
    await using storage = stores.storage;
    await filled(stores, 50);
    await storage.createSession("other", "ada");
    const wholes: [string, (storage: StorageBackend) => Promise<unknown>][] = [
      ["deleted messages", () => storage.deleteConversationMessages("s", { before: 3 })],
      ["a checkpoint that is stored again", () => storage.storeCheckpoint("linked", "c2", state(7))],
      ["a newest checkpoint that is stored again", () => storage.storeCheckpoint("linked", "c5", state(8))],
      ["writes that come before their checkpoint", () => storage.putWrites("linked", "later", "task", [["a", 1]])],
      ["deleted checkpoints", () => storage.deleteCheckpoints("linked", ["c1"])],
      ["pruned checkpoints", () => storage.pruneCheckpoints({ threadId: "linked", keepLast: 2 })],
      ["a task context", () => storage.storeTaskContext("s", { a: 1 })],
      ["a shared task context", () => storage.shareTaskContext("s", "other")],
      ["another link", () => storage.storeCheckpoint("linked", "c9", state(9), { sessionId: "other" })],
      ["the link back", () => storage.storeCheckpoint("linked", "c10", state(9), { sessionId: "s" })],
      ["a thread that is deleted", () => storage.deleteThread("linked")],
      ["a thread of the same name", () => storage.storeCheckpoint("linked", "c1", state(3), { sessionId: "s" })],
    ];
    for (const [name, write] of wholes) {
      expect(kindsOf(await stores.copies(() => write(storage))), name).toContain("replace: session");
      const again = await stores.copies(() => storage.addConversationMessage("s", "user", name));
      expect(kindsOf(again), name).toBe("extend: session,message");
    }
    await stores.copies(() => storage.deleteSession("s"));
    await stores.copies(() => storage.createSession("s", "ada", { ifExists: "return" }));
    const more = await stores.copies(() => storage.addConversationMessage("s", "user", "again"));
    expect(kindsOf(more)).toBe("extend: session,message");
  });

  it("copies whole what the fallback has not as it was copied", async () => {
    const stores = new Watched(mode);
    await using storage = stores.storage;
    await filled(stores, 50);
    const spoilt: (() => Promise<unknown>)[] = [
      () => stores.fallback.deleteSession("s"),
      () => stores.fallback.addConversationMessage("s", "user", "by itself"),
      () => stores.fallback.deleteConversationMessages("s", { before: 3 }),
    ];
    for (const spoil of spoilt) {
      await spoil();
      await storage.addConversationMessage("s", "user", "more");
      await stores.settle();
    }
    await stores.fallback.deleteThread("alone");
    await storage.storeCheckpoint("alone", "more", state(1), { namespace: "n" });
    await stores.settle();
    await stores.fallback.storeCheckpoint("linked", "by itself", 1);
    await storage.storeCheckpoint("linked", "more", state(1));
    await stores.settle();
  });

  it("copies whole a session that expires soon, and one after a restart", async () => {
    const journal = keptJournal();
    const stores = new Watched(mode, undefined, journal);
    for (const [id, ttlMs] of [
      ["short", 30_000],
      ["long", 3_600_000],
    ] as const) {
      await stores.storage.createSession(id, "ada", { ttlMs });
      await stores.copies(() => stores.storage.addConversationMessage(id, "user", "one"));
    }
    const copied = (of: Watched, id: string): Promise<string> =>
      of.copies(() => of.storage.addConversationMessage(id, "user", "more")).then(kindsOf);
    expect(await copied(stores, "short")).toBe("replace: session,message,message");
    expect(await copied(stores, "long")).toBe("extend: session,message");
    await stores.settle();
    // The process is gone, its stores and its journal are not.
    const next = new Watched(mode, undefined, journal, stores);
    const first = kindsOf(await next.copies(() => next.layer.check()));
    expect(first).toContain("replace: ");
    expect(first).not.toContain("extend");
    expect(await copied(next, "long")).toBe("extend: session,message");
  });

  it("keeps both stores the same under callers at the same time", async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const random = randomOf(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
      const pause = async (): Promise<void> => {
        for (let left = Math.floor(random() * 4); left > 0; left -= 1) await turn();
      };
      const stores = new Watched(mode, pause);
      const storage = stores.storage;
      await storage.createSession("s0", "ada");
      await storage.createSession("s1", "ada");
      let count = 0;
      const next = (): string => {
        count += 1;
        return `c${count}`;
      };
      const writes: (() => Promise<unknown>)[] = [
        () =>
          storage.addConversationMessage(pick(["s0", "s1"]), "user", "text", {
            messageId: `m${Math.floor(random() * 50)}`,
          }),
        () => storage.addConversationMessages(pick(["s0", "s1"]), [{ role: "user", content: "text" }]),
        () => storage.updateSession(pick(["s0", "s1"]), { incrementRequests: true }),
        () => storage.storeCheckpoint(pick(["t0", "t1"]), next(), state(count), { sessionId: "s0" }),
        () => storage.storeCheckpoint(pick(["t0", "t1"]), next(), state(count)),
        () => storage.storeCheckpoint("t2", next(), state(count), { namespace: pick(["", "n"]) }),
        () => storage.storeCheckpoint(pick(["t0", "t2"]), `c${count - Math.floor(random() * 5)}`, state(-count)),
        () =>
          storage.putWrites(pick(["t0", "t1", "t2"]), `c${count}`, pick(["a", "b"]), [["w", count]], {
            overwrite: true,
          }),
      ];
      const rarely: (() => Promise<unknown>)[] = [
        () => storage.storeCheckpoint("t1", next(), state(count), { sessionId: "s1" }),
        () => storage.deleteConversationMessages("s0", { before: Math.floor(random() * 20) }),
        () => storage.pruneCheckpoints({ threadId: "t0", keepLast: 3 }),
        () => storage.deleteThread(pick(["t1", "t2"])),
        () => storage.storeTaskContext("s0", count),
        () => storage.copyThread("t2", `copy ${count}`),
        () => storage.cleanupExpiredSessions(),
      ];
      const caller = async (): Promise<void> => {
        for (let step = 0; step < 40; step += 1) {
          await pick(random() < 0.05 ? rarely : writes)();
          if (random() < 0.1) await pause();
        }
      };
      await Promise.all([caller(), caller(), caller()]);
      await stores.settle();
      await storage.close();
    }
  }, 60_000);
});

/** Numbers from 0 to 1 that a seed repeats. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
