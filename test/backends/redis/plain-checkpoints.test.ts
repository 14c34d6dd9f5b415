// Checkpoints that are read by plain commands: whatever others do to their thread, a reader finds what a script would find.
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { startRedis } from "../../support/redis-server.js";

const SMALL = { step: 1 };
const LONG = { words: "word ".repeat(2_000) };

it("finds what others have made of the thread", async () => {
  await using server = await startRedis({ inMemory: true });
  await using reader = redisStorage(server.url);
  await using other = redisStorage(server.url);
  const read = (): ReturnType<typeof reader.getCheckpoint> => reader.getCheckpoint("t", { checkpointId: "c" });
  const scripts = async (): Promise<number> =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await server.command("INFO", "commandstats"))?.[1]);
  await other.storeCheckpoint("t", "c", SMALL, { metadata: { by: "a" }, parentId: "b" });
  const first = await read();
  const before = await scripts();
  expect(await read()).toEqual(first);
  expect(await scripts(), "by plain commands").toBe(before);

  await other.storeCheckpoint("t", "c", { step: 2 });
  expect(await read()).toMatchObject({ data: { step: 2 } });
  expect(await reader.getCheckpoint("t", { checkpointId: "none" })).toBeUndefined();
  expect(await reader.getCheckpoint("t", { checkpointId: "c", namespace: "n" })).toBeUndefined();

  await other.storeCheckpoint("t", "c", LONG);
  expect(await read()).toMatchObject({ data: LONG });
  await other.storeCheckpoint("t", "c", SMALL);
  expect(await read()).toMatchObject({ data: SMALL });
  expect(await read()).toMatchObject({ data: SMALL });

  await other.deleteThread("t");
  expect(await read()).toBeUndefined();
});

it("does not find a thread that has gone with its session", async () => {
  let now = 1_000;
  const clock = { now: () => now };
  await using server = await startRedis({ inMemory: true });
  await using reader = redisStorage({ url: server.url, clock });
  await using other = redisStorage({ url: server.url, clock });
  await other.storeCheckpoint("t", "c", SMALL);
  const read = (): ReturnType<typeof reader.getCheckpoint> => reader.getCheckpoint("t", { checkpointId: "c" });
  for (let i = 0; i < 3; i++) expect(await read()).toMatchObject({ data: SMALL });

  await other.createSession("s", "ada", { ttlMs: 50 });
  await other.storeCheckpoint("t", "d", SMALL, { sessionId: "s" });
  expect(await read()).toMatchObject({ data: SMALL });
  now += 50;
  expect(await read()).toBeUndefined();

  await other.storeCheckpoint("t", "e", SMALL);
  expect(await read()).toBeUndefined();
  expect(await reader.getCheckpoint("t", { checkpointId: "e" })).toMatchObject({ data: SMALL });
});
