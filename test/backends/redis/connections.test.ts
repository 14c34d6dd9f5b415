// How a storage reaches Redis: URLs, clients of the application's own, what the server's settings demand, and what the server says no to.
import { randomBytes } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { mapRedisError } from "../../../src/backends/redis/errors.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sourceOfUrl } from "../../../src/backends/redis/source.js";
import type { Call } from "../../../src/domain/driver/call.js";
import { openStorage } from "../../../src/open.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import { startCluster } from "../../support/redis-cluster.js";
import { sharedRedis, startRedis } from "../../support/redis-server.js";

const newPrefix = (): string => `test-${randomBytes(6).toString("hex")}`;

describe("a URL", () => {
  const none = { auth: {}, tls: undefined };
  it.each([
    ["redis://localhost", { kind: "single", ...none, host: "localhost", port: 6379, db: 0 }],
    [
      "redis://:p%40ss@[::1]:7000/3",
      { ...none, kind: "single", auth: { password: "p@ss" }, host: "::1", port: 7000, db: 3 },
    ],
    [
      "rediss://ada:se%3Acret@db.example",
      {
        kind: "single",
        auth: { username: "ada", password: "se:cret" },
        tls: {},
        host: "db.example",
        port: 6379,
        db: 0,
      },
    ],
    [
      "redis+sentinel://ada:secret@a:1,b/my%2Fmaster/2",
      {
        ...none,
        kind: "sentinel",
        auth: { username: "ada", password: "secret" },
        sentinels: [
          { host: "a", port: 1 },
          { host: "b", port: 26_379 },
        ],
        name: "my/master",
        db: 2,
      },
    ],
    [
      "rediss+cluster://a:1,[2001:db8::1]:2",
      {
        kind: "cluster",
        auth: {},
        tls: {},
        nodes: [
          { host: "a", port: 1 },
          { host: "2001:db8::1", port: 2 },
        ],
      },
    ],
  ])("%s is understood", (url, source) => {
    expect(sourceOfUrl(url, undefined)).toEqual(source);
  });

  it.each([
    "http://localhost",
    "redis://a,b",
    "redis://host:99999",
    "redis://host/x",
    "redis+sentinel://a:1",
    "redis+cluster://a/1",
    "redis://ada:hunter2%@host",
  ])("%s is refused, and not repeated", (url) => {
    const failure = (() => {
      try {
        return redisStorage(url);
      } catch (error) {
        return error as Error;
      }
    })();
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(String(failure)).not.toContain("hunter2");
  });

  it("opens a storage, with options in its query", async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using storage = await openStorage(`${url}?prefix=${prefix}&sessionTtlMs=60000&tenant=acme`, { env: {} });
    expect(await storage.createSession("s", "ada")).toHaveProperty("expiresAt");
    await using admin = closing(new Redis(url));
    expect(await admin.client.exists(`${prefix}:{acme}:s:s`)).toBe(1);
  });

  it("of a server that is not there is told at once, and without its password", async () => {
    const opening = openStorage("redis://ada:hunter2@127.0.0.1:1", { env: {} }).catch((error: unknown) => error);
    expect(await settlesWithin(2_500, [opening])).toBe(true);
    const failure = await opening;
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
    expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure)) + String(failure)).not.toContain("hunter2");
  });

  it("with a wrong password is refused for good", async () => {
    await using server = await startRedis({ inMemory: true });
    await server.command("CONFIG", "SET", "requirepass", "right");
    await expect(openStorage(server.url.replace("//", "//:hunter2@"), { env: {} })).rejects.toMatchObject({
      code: "CONNECTION",
      retryable: false,
    });
    await using storage = await openStorage(server.url.replace("//", "//:right@"), { env: {} });
    expect((await storage.healthCheck()).status).not.toBe("unhealthy");
  });
});

describe("options", () => {
  it.each([
    [{}],
    [{ url: "redis://localhost", client: new Redis({ lazyConnect: true }) }],
    [{ client: {} }],
    [{ url: "redis://localhost", prefix: "a{b}" }],
    [{ url: "redis://localhost", prefix: "" }],
    [{ url: "redis://localhost?prefix=other" }],
    [{ url: "http://localhost" }],
    [{ url: "redis://localhost", waitReplicas: -1 }],
    [{ url: "redis://localhost", requireDurability: "replicated" }],
    [{ url: "redis://localhost", sessionTtlMs: 0.5 }],
    [{ url: "redis://localhost", retries: 3 }],
  ])("%# that make no sense are refused before anything is opened", (options) => {
    expect(() => redisStorage(options as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("a client of the application's own", () => {
  it("gives its settings, its prefix too, and is neither used nor closed", async () => {
    const prefix = `${newPrefix()}:`;
    await using own = closing(new Redis(await sharedRedis(), { keyPrefix: prefix, connectionName: "app" }));
    const storage = redisStorage({ client: own.client });
    await storage.createSession("s", "ada");
    await storage.addConversationMessage("s", "user", "hello");
    expect(await storage.getConversationHistory("s")).toHaveLength(1);
    expect(await storage.getSession("s")).toMatchObject({ messageCount: 1 });
    await storage.close();
    expect(own.client.status).toBe("ready");
    expect(await own.client.exists("waystone:{default}:s:s")).toBe(1);
    expect(own.client.listenerCount("error")).toBe(0);
  });

  it("may be a cluster", { timeout: 60_000 }, async () => {
    await using cluster = await startCluster();
    const nodes = cluster.masters.map(({ port }) => ({ host: "127.0.0.1", port }));
    await using own = closing(new Cluster(nodes));
    await using storage = redisStorage({ client: own.client });
    for (const tenant of ["a", "b", "c", "{d}"]) {
      await storage.tenant(tenant).createSession("s", "ada");
      expect(await storage.tenant(tenant).getSession("s")).toMatchObject({ userId: "ada" });
    }
    const { checks } = await storage.healthCheck();
    expect(checks).toContainEqual(
      expect.objectContaining({ name: "server", message: expect.stringMatching(/3 masters/) }),
    );
  });
});

describe("durability", () => {
  it.each([
    [{ appendonly: "yes", appendfsync: "always" }, "crash"],
    [{ appendonly: "yes", appendfsync: "everysec" }, "process"],
    [{ appendonly: "no" }, "memory"],
  ] as const)("%j is %s, and is demanded in vain above that", async (settings, level) => {
    await using server = await startRedis({ inMemory: true, settings });
    await using storage = redisStorage(server.url);
    expect((await storage.healthCheck()).durability).toBe(level);
    for (const required of ["memory", "process", "crash"] as const) {
      await using demanding = redisStorage({ url: server.url, requireDurability: required });
      const levels = ["memory", "process", "crash"];
      const opened = await demanding.initialize().then(
        () => true,
        (error: { readonly code: string; readonly retryable: boolean }) => {
          expect(error).toMatchObject({ code: "CONNECTION", retryable: false });
          return false;
        },
      );
      expect(opened).toBe(levels.indexOf(level) >= levels.indexOf(required));
    }
  });

  it("is unknown where CONFIG is refused, and eviction is told", async () => {
    await using server = await startRedis({ inMemory: true });
    await server.command("CONFIG", "SET", "maxmemory", "1000000000");
    await server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    await using storage = redisStorage(server.url);
    expect((await storage.healthCheck()).checks).toContainEqual(
      expect.objectContaining({ name: "memory", status: "error" }),
    );
    await server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-config");
    await using limited = redisStorage(server.url.replace("//", "//app:pw@"));
    await limited.createSession("s", "ada");
    expect((await limited.healthCheck()).durability).toBe("process");
  });
});

describe("what belongs to a session", () => {
  it("leaves no key behind (S10)", async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using storage = redisStorage({ url, prefix, tenant: "t {1}" });
    await using admin = closing(new Redis(url));
    const keys = (): Promise<string[]> => admin.client.keys(`${prefix}:{*`);
    await storage.createSession("s", "ada", { metadata: { a: 1 }, ttlMs: 60_000 });
    await storage.updateSession("s", { incrementRequests: true, idempotencyKey: "k" });
    await storage.addConversationMessage("s", "user", "hello");
    await storage.storeTaskContext("s", { step: 1 });
    await storage.storeCheckpoint("t", "c", { text: "x".repeat(10_000) }, { sessionId: "s" });
    await storage.putWrites("t", "c", "task", [["channel", 1]]);
    await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 1_000 });
    await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 1_000 });
    expect((await keys()).length).toBeGreaterThan(20);
    expect(new Set((await keys()).map((key) => key.slice(0, key.indexOf("}") + 1))).size).toBe(1);
    await storage.deleteSession("s");
    expect(await keys()).toEqual([`${prefix}:{t %7B1%7D}`]);
  });

  it("slides with each write and expires together, by the server's time", { timeout: 20_000 }, async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using storage = redisStorage({ url, prefix, sessionTtlMs: 3_000 });
    await storage.createSession("s", "ada");
    await storage.storeCheckpoint("t", "c", { plan: 1 }, { sessionId: "s" });
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 900));
      await storage.addConversationMessage("s", "user", "still here");
    }
    expect(await storage.getConversationHistory("s")).toHaveLength(4);
    await new Promise((resolve) => setTimeout(resolve, 3_100));
    expect(await storage.getSession("s")).toBeUndefined();
    expect(await storage.getCheckpoint("t")).toBeUndefined();
    expect(await storage.getConversationHistory("s")).toEqual([]);
    expect((await storage.getMetrics()).sessions.value).toBe(0);
    await using admin = closing(new Redis(url));
    expect(await admin.client.keys(`${prefix}:{*`)).toEqual([`${prefix}:{default}`]);
  });
});

describe("errors of the server", () => {
  const call = { sent: true } as Call;
  const replied = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });

  it.each([
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MISCONF Redis is configured to save RDB snapshots",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY Redis is busy running a script.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MASTERDOWN Link with MASTER is down",
    "NOREPLICAS Not enough good replicas to write.",
    "ERR Error running script (call to f_1): @user_script:12: -OOM command not allowed",
    "ERR Unable to execute command 'exists' in script because undeclared keys were accessed during rehashing of the slot",
    "ERR user_script:3: Script attempted to access a non local key in a cluster node script: 1",
  ])("%s is not applied, and may be tried again", (message) => {
    expect(mapRedisError(replied(message), call)).toMatchObject({
      code: "CONNECTION",
      outcome: "not-applied",
      retryable: true,
    });
  });

  it("a command that nodes of a Cluster hand on to each other until ioredis gives up is not applied", () => {
    const error = new Error("Too many Cluster redirections. Last error: ReplyError: TRYAGAIN Multiple keys request");
    expect(mapRedisError(error, call)).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true });
  });

  it.each([
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair",
    "NOPERM this user has no permissions",
  ])("%s is for good", (message) => {
    expect(mapRedisError(replied(message), call)).toMatchObject({ code: "CONNECTION", retryable: false });
  });

  it("keep no arguments of the command", () => {
    const error = Object.assign(replied("OOM command not allowed"), { command: { name: "auth", args: ["hunter2"] } });
    const { cause } = mapRedisError(error, call) as Error;
    expect(JSON.stringify(cause, Object.getOwnPropertyNames(cause))).not.toContain("hunter2");
  });
});

function closing<Client extends { disconnect(): void }>(
  client: Client,
): { readonly client: Client; [Symbol.asyncDispose](): Promise<void> } {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}
