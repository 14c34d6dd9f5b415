// States of many MiB travel in pieces: the server serves others meanwhile, and nobody finds a part of one.
import { randomBytes, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sharedRedis } from "../../support/redis-server.js";

/** Text that no compression makes small, of some MiB. */
const longText = (mib: number): string => randomBytes(mib * 786_432).toString("base64");

it("a state of 24 MiB is stored and read in pieces, shares what is equal, and leaves nothing behind", {
  timeout: 120_000,
}, async () => {
  const url = await sharedRedis();
  const tenant = randomUUID();
  await using storage = redisStorage({ url, tenant, timeoutMs: 60_000 });
  await using other = redisStorage({ url, tenant, timeoutMs: 60_000 });
  const server = new Redis(url);
  const blocks = (): Promise<number> => server.hlen(`waystone:{${tenant}}:b:t`);
  const long = longText(24);
  await storage.storeCheckpoint("t", "c1", { long, step: 1 });
  expect((await other.getCheckpoint("t"))?.data).toEqual({ long, step: 1 });
  const stored = await blocks();
  await other.storeCheckpoint("t", "c2", { long, step: 2 });
  expect(await blocks()).toBeLessThan(stored + 20);
  const listed = await storage.listCheckpoints("t", { data: true });
  expect(listed.map(({ data }) => data)).toEqual([
    { long, step: 2 },
    { long, step: 1 },
  ]);
  await storage.pruneCheckpoints({ keepLast: 1 });
  expect((await storage.getCheckpoint("t"))?.data).toEqual({ long, step: 2 });
  await storage.storeCheckpoint("t", "c2", { small: true });
  expect(await blocks()).toBe(0);
  expect(await server.hlen(`waystone:{${tenant}}:f:t`)).toBe(0);
  expect(await server.pttl(`waystone:{${tenant}}:t:t`)).toBe(-1);
  server.disconnect();
});

it("a long state that is refused leaves nothing behind", { timeout: 60_000 }, async () => {
  const url = await sharedRedis();
  const tenant = randomUUID();
  await using storage = redisStorage({ url, tenant, timeoutMs: 60_000 });
  const server = new Redis(url);
  const refused = storage.storeCheckpoint("t", "c", { long: longText(4) }, { expectedHead: "nobody" });
  await expect(refused).rejects.toMatchObject({ code: "CONFLICT", outcome: "not-applied" });
  expect(await server.keys(`waystone:{${tenant}}*`)).toEqual([]);
  server.disconnect();
});

it("a reader finds a whole state while it is replaced again and again", { timeout: 120_000 }, async () => {
  const url = await sharedRedis();
  const tenant = randomUUID();
  await using storage = redisStorage({ url, tenant, timeoutMs: 60_000 });
  await using reader = redisStorage({ url, tenant, timeoutMs: 60_000 });
  const states = [longText(10), longText(10)];
  await storage.storeCheckpoint("t", "c", { long: states[0] });
  let writing = true;
  const writer = (async () => {
    for (let i = 1; i <= 6; i++) await storage.storeCheckpoint("t", "c", { long: states[i % 2] });
    writing = false;
  })();
  let reads = 0;
  while (writing) {
    const found = (await reader.getCheckpoint("t"))?.data as { readonly long: string };
    expect(states).toContain(found.long);
    reads += 1;
  }
  await writer;
  expect(reads).toBeGreaterThan(0);
});
