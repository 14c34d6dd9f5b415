// TLS: servers that take nothing else, with certificates of a test's own authority: a single one, a Cluster's node, and one that Sentinels watch.
import { copyFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { openStorage } from "../../../src/open.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import { type Certificates, makeCertificates } from "../../support/certificates.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";

let certificates: Certificates;
let strangers: Certificates;
let server: RedisServer;

beforeAll(async () => {
  certificates = makeCertificates("IP:127.0.0.1", undefined);
  strangers = makeCertificates("IP:127.0.0.1", undefined);
  server = await startRedis({ inMemory: true, tls: certificates });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  certificates[Symbol.dispose]();
  strangers[Symbol.dispose]();
});

describe("a server with TLS alone", () => {
  it("is used with the authority that signed its certificate", async () => {
    await using storage = redisStorage({ url: server.url, tls: { ca: certificates.ca } });
    await storage.createSession("s", "ada");
    expect(await storage.getSession("s")).toMatchObject({ userId: "ada" });
    expect((await storage.healthCheck()).status).not.toBe("unhealthy");
  });

  it.each([
    ["in the URL alone", () => openStorage(server.url, { env: {} })],
    ["with another authority", () => redisStorage({ url: server.url, tls: { ca: strangers.ca } }).initialize()],
  ])("is not used by whoever does not trust it, %s, in a typed error that says why", async (_, open) => {
    const opening = Promise.resolve(open()).catch((error: unknown) => error);
    expect(await settlesWithin(2_500, [opening])).toBe(true);
    const failure = await opening;
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: false });
    expect((failure as Error).message).toMatch(/certificate of the server is not trusted: [A-Z_]+/);
  });

  // ioredis hands on no more than that the connection was closed.
  it.each([
    ["a Cluster", () => redisStorage(server.url.replace("rediss:", "rediss+cluster:"))],
    ["Sentinels", () => redisStorage(`${server.url.replace("rediss:", "rediss+sentinel:")}/mymaster`)],
  ])("is not used as %s by whoever does not trust it", async (_, open) => {
    await using storage = open();
    await expect(storage.initialize()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
  });

  it("is not used under a name that its certificate does not have", async () => {
    const url = server.url.replace("127.0.0.1", "localhost");
    await using storage = redisStorage({ url, tls: { ca: certificates.ca } });
    await expect(storage.initialize()).rejects.toThrow("not trusted: ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("tells whoever comes without TLS that there is no connection", async () => {
    await using storage = redisStorage({ url: server.url.replace("rediss:", "redis:"), connectTimeoutMs: 2_000 });
    await expect(storage.initialize()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
  });
});

it("a server without TLS is not used by whoever asks for it", async () => {
  await using plain = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: plain.url.replace("redis:", "rediss:"), connectTimeoutMs: 2_000 });
  await expect(storage.initialize()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
});

it("a certificate that is not trusted when the connection is made again is told to calls", async () => {
  using own = makeCertificates("IP:127.0.0.1", undefined);
  await using changed = await startRedis({ inMemory: true, tls: own });
  await using storage = redisStorage({ url: changed.url, tls: { ca: own.ca }, timeoutMs: 9_000 });
  await storage.createSession("s", "ada");
  await changed.kill();
  copyFileSync(strangers.certificateFile, own.certificateFile);
  copyFileSync(strangers.keyFile, own.keyFile);
  await changed.start();
  await expect(storage.getSession("s")).rejects.toMatchObject({
    code: "CONNECTION",
    outcome: "not-applied",
    retryable: false,
    message: expect.stringContaining("not trusted"),
  });
});
