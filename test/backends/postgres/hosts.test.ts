// Several hosts in one URL: which of a primary and its standby is used, and what becomes of it when they change.
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostsOf } from "../../../src/backends/postgres/connection/hosts.js";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import type { PostgresServer } from "../../support/postgres-server.js";
import { startPostgres } from "../../support/postgres-server.js";
import { promote, startStandby, untilCaughtUp } from "../../support/postgres-standby.js";

let primary: PostgresServer;
let standby: PostgresServer;

beforeAll(async () => {
  primary = await startPostgres({ inMemory: true });
  await using storage = postgresStorage(primary.url);
  await storage.createSession("s", "ada");
  standby = await startStandby(primary);
  await untilCaughtUp(primary, standby);
}, 60_000);

afterAll(async () => {
  await standby[Symbol.asyncDispose]();
  await primary[Symbol.asyncDispose]();
});

/** Nobody listens there. */
const NOWHERE = 1;

function urlOf(ports: readonly number[], query = ""): string {
  return `postgresql://postgres@${ports.map((port) => `127.0.0.1:${port}`).join(",")}/postgres${query}`;
}

async function roleOf(storage: StorageBackend): Promise<string | undefined> {
  return (await storage.healthCheck()).checks.find(({ name }) => name === "role")?.message;
}

describe("a URL with several hosts", () => {
  it.each([
    ["", () => `the primary, 127.0.0.1:${primary.port}`],
    ["?target_session_attrs=read-write", () => `the primary, 127.0.0.1:${primary.port}`],
    ["?target_session_attrs=primary", () => `the primary, 127.0.0.1:${primary.port}`],
    ["?target_session_attrs=standby", () => `a standby, which takes no writes, 127.0.0.1:${standby.port}`],
    ["?target_session_attrs=prefer-standby", () => `a standby, which takes no writes, 127.0.0.1:${standby.port}`],
    ["?target_session_attrs=read-only", () => `a standby, which takes no writes, 127.0.0.1:${standby.port}`],
    ["?target_session_attrs=any", () => `a standby, which takes no writes, 127.0.0.1:${standby.port}`],
  ])("and %j uses the first that fits and can be reached", async (query, role) => {
    await using storage = postgresStorage(urlOf([NOWHERE, standby.port, primary.port], query));
    expect(await storage.getSession("s")).toMatchObject({ userId: "ada" });
    expect(await roleOf(storage)).toBe(role());
    const isAsked = /standby|read-only/.test(query);
    expect((await storage.healthCheck()).status === "unhealthy").toBe(query.endsWith("any"));
    if (query.endsWith("any") || isAsked) {
      const failure = await storage.createSession("new", "ada").catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
      expect((failure as Error).message).toContain("read-only");
    }
  });

  it("spreads connections with load_balance_hosts=random", async () => {
    await using storage = postgresStorage(
      urlOf([primary.port, standby.port], "?target_session_attrs=any&load_balance_hosts=random"),
    );
    const told = await Promise.all(Array.from({ length: 20 }, () => roleOf(storage)));
    const roles = new Set(told.map((role) => role?.split(",")[0]));
    expect(roles.size).toBe(2);
  });

  it("says of each host why none is used, without the password", async () => {
    await using storage = postgresStorage(
      urlOf([NOWHERE, standby.port], "?target_session_attrs=primary").replace("postgres@", "postgres:hunter2@"),
    );
    const failure = await storage.initialize().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true });
    expect((failure as Error).message).toBe(
      `no host of the URL is a primary: 127.0.0.1:1 cannot be reached, 127.0.0.1:${standby.port} is another kind of server`,
    );
  });

  it("prefers a standby, and is content with the primary", async () => {
    await using storage = postgresStorage(urlOf([NOWHERE, primary.port], "?target_session_attrs=prefer-standby"));
    expect(await roleOf(storage)).toBe(`the primary, 127.0.0.1:${primary.port}`);
    await storage.createSession("by preference", "ada");
  });

  it("does not wait long for a host that says nothing", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const sockets = new Set<Socket>();
    silent.on("connection", (socket) => sockets.add(socket));
    const storage = postgresStorage({
      url: urlOf([port, standby.port, primary.port]),
      pool: { connectTimeoutMs: 6_000 },
    });
    const first = storage.getSession("s");
    expect(await settlesWithin(5_500, [first])).toBe(true);
    expect(await first).toMatchObject({ userId: "ada" });
    const next = Array.from({ length: 20 }, () => storage.getSession("s"));
    expect(await settlesWithin(1_500, next)).toBe(true);
    await Promise.all(next);
    await storage.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  it("takes its hosts from parameters too, as libpq does", async () => {
    const url = `postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port=${standby.port},${primary.port}`;
    await using storage = postgresStorage(url);
    expect(await roleOf(storage)).toBe(`the primary, 127.0.0.1:${primary.port}`);
  });
});

describe("a promotion", () => {
  it("moves the writer to the new primary, and a standby's readers go on", async () => {
    await using writer = postgresStorage(urlOf([primary.port, standby.port], "?target_session_attrs=read-write"));
    await using reader = postgresStorage(urlOf([primary.port, standby.port], "?target_session_attrs=prefer-standby"));
    await Promise.all(Array.from({ length: 5 }, (_, i) => writer.addConversationMessage("s", "user", `before ${i}`)));
    await untilCaughtUp(primary, standby);
    expect(await reader.getConversationHistory("s")).toHaveLength(5);
    await primary.stop("immediate");
    const failure = await writer.addConversationMessage("s", "user", "lost").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CONNECTION" });
    expect(await reader.getConversationHistory("s")).toHaveLength(5);
    await promote(standby);
    const after = writer.addConversationMessage("s", "user", "after");
    expect(await settlesWithin(5_000, [after])).toBe(true);
    expect((await after).seq).toBe(6);
    expect(await roleOf(writer)).toBe(`the primary, 127.0.0.1:${standby.port}`);
    expect((await reader.getConversationHistory("s")).at(-1)?.content).toBe("after");
  });
});

describe("the hosts of a URL", () => {
  it.each([
    ["postgresql://h/db", ["postgresql://h/db"], "any"],
    [
      "postgres://u:p%40@h:1,i/db?sslmode=require",
      ["postgres://u:p%40@h:1/db?sslmode=require", "postgres://u:p%40@i/db?sslmode=require"],
      "read-write",
    ],
    [
      "postgresql://[::1]:1,[::2]/db?target_session_attrs=any",
      ["postgresql://[::1]:1/db", "postgresql://[::2]/db"],
      "any",
    ],
    [
      "postgresql:///db?host=/a,/b&port=1",
      ["postgresql:///db?host=%2Fa&port=1", "postgresql:///db?host=%2Fb&port=1"],
      "read-write",
    ],
    ["postgresql://h/db?load_balance_hosts=disable", ["postgresql://h/db"], "any"],
  ])("%s are %j, %s", (url, urls, target) => {
    expect(hostsOf(url)).toMatchObject({ urls, target, random: false });
  });

  it.each([
    ["postgresql://h/db?target_session_attrs=master", "target_session_attrs"],
    ["postgresql://h/db?load_balance_hosts=yes", "load_balance_hosts"],
    ["postgresql:///db?host=a,b&port=1,2,3", "as many ports as hosts"],
    ["postgresql://h:x,i/db", "not host or host:port"],
  ])("%s is refused: %s", (url, message) => {
    expect(() => postgresStorage(url)).toThrow(message);
  });
});
