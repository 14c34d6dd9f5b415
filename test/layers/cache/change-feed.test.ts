// Caches in several processes on one real store: what another one writes is seen soon, and after a gap nothing old is left.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { cache } from "../../../src/layers/cache/cache.js";
import { withLayers } from "../../../src/layers/layer.js";
import { retry } from "../../../src/layers/retry.js";
import { newPath } from "../../backends/sqlite/folder.js";
import { createDatabase, startPostgres } from "../../support/postgres-server.js";
import { sharedRedis, startRedis } from "../../support/redis-server.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const HOUR = 3_600_000;

interface Target {
  readonly kind: string;
  readonly at: string;
  readonly prefix: string;
  open(changeFeed: boolean): StorageBackend;
}

async function target(kind: string): Promise<Target> {
  const prefix = `feed${randomBytes(4).toString("hex")}`;
  switch (kind) {
    case "sqlite": {
      const at = newPath();
      return { kind, at, prefix, open: (changeFeed) => sqliteStorage({ path: at, changeFeed }) };
    }
    case "postgres": {
      const at = await freshDatabase();
      return { kind, at, prefix, open: (changeFeed) => postgresStorage({ url: at, changeFeed }) };
    }
    default: {
      const at = await sharedRedis();
      return { kind, at, prefix, open: (changeFeed) => redisStorage({ url: at, prefix, changeFeed }) };
    }
  }
}

/** A cache that would keep everything for an hour. */
function cached(backend: StorageBackend) {
  const layer = cache({ ttlMs: HOUR, absentTtlMs: HOUR });
  const storage = withLayers(backend, [layer, retry()]);
  onTestFinished(() => storage.close());
  return { layer, storage };
}

async function eventually(what: string, isSo: () => Promise<boolean>, longestMs = 10_000): Promise<number> {
  const start = performance.now();
  while (!(await isSo())) {
    if (performance.now() - start > longestMs) throw new Error(`${what} did not come in time`);
    await wait(5);
  }
  return performance.now() - start;
}

describe.each(["sqlite", "postgres", "redis"])("caches of two processes on %s", (kind) => {
  it("see what the other one writes, and keep the rest", { timeout: 60_000 }, async () => {
    const store = await target(kind);
    const { layer, storage } = cached(store.open(true));
    await storage.createSession("s", "u", { metadata: { n: 0 } });
    await storage.createSession("still", "u");
    await storage.addConversationMessage("s", "user", "first");
    await storage.storeCheckpoint("t", "c", { n: 0 });
    const readAll = async (): Promise<unknown[]> => [
      (await storage.getSession("s"))?.metadata.n,
      (await storage.getConversationHistory("s")).length,
      ((await storage.getCheckpoint("t"))?.data as { n: number } | undefined)?.n,
      await storage.getSession("absent"),
    ];
    expect(await readAll()).toEqual([0, 1, 0, undefined]);
    // Until the feed has told what this process wrote itself.
    const isKept = async (): Promise<boolean> => {
      const before = layer.stats().hits;
      await readAll();
      return layer.stats().hits - before === 4;
    };
    await eventually("an answer from memory", isKept);

    const args = [join(import.meta.dirname, "writing-process.ts"), store.kind, store.at, store.prefix];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    const lines = child.stdout[Symbol.asyncIterator]();
    for (let n = 1; n <= 3; n++) {
      child.stdin.write(`${n}\n`);
      await lines.next();
      await eventually("the write of the other process", async () => {
        const [session, messages, state] = await readAll();
        return session === n && messages === 1 + n && state === n;
      });
    }
    await eventually("the session that was absent", async () => (await storage.getSession("absent")) !== undefined);
    child.stdin.end();
    await once(child, "close");
    expect(layer.stats().told).toBeGreaterThan(0);
    await eventually("an answer from memory again", isKept);
  });

  it("without the option see it when the time is over, or never before", async () => {
    const store = await target(kind);
    const { storage } = cached(store.open(false));
    await storage.createSession("s", "u");
    await storage.getSession("s");
    const other = store.open(false);
    onTestFinished(() => other.close());
    await other.updateSession("s", { incrementRequests: true });
    await wait(100);
    expect((await storage.getSession("s"))?.requestCount).toBe(0);
  });
});

describe("a feed whose server is away for a while", () => {
  it.each(["postgres", "redis"])("%s: lets go of everything, and goes on", { timeout: 120_000 }, async (kind) => {
    const server = kind === "postgres" ? await startPostgres({ inMemory: true }) : await startRedis();
    onTestFinished(async () => {
      await server[Symbol.asyncDispose]();
    });
    const url = "dataFolder" in server ? await createDatabase(server) : server.url;
    const open = (changeFeed: boolean): StorageBackend =>
      kind === "postgres" ? postgresStorage({ url, changeFeed }) : redisStorage({ url, changeFeed });
    const { layer, storage } = cached(open(true));
    await storage.createSession("s", "u");
    for (let round = 1; round <= 3; round++) {
      await wait(300);
      await storage.getSession("s");
      const told = layer.stats().told;
      await ("dataFolder" in server ? server.stop("immediate") : server.kill());
      await server.start();
      // A process without the option writes in the gap.
      const other = open(false);
      await eventually("the server", async () =>
        other.updateSession("s", { incrementRequests: true }).then(
          () => true,
          () => false,
        ),
      );
      const { requestCount } = (await other.getSession("s")) ?? { requestCount: -1 };
      await other.close();
      await eventually("what was written in the gap", async () => {
        const session = await storage.getSession("s").catch(() => undefined);
        return session?.requestCount === requestCount && layer.stats().told > told;
      });
    }
  });
});
