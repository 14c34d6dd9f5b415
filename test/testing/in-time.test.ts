// Whether calls settle in time is a matter of turns, not of how fast the machine is.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { seenBeforeItExpires } from "../../src/testing/as-time-passes.js";
import { settlesWithin } from "../../src/testing/in-time.js";

it("a call that settles later, or never, is late", async () => {
  expect(await settlesWithin(20, [Promise.reject(new Error("in time"))])).toBe(true);
  expect(await settlesWithin(20, [Promise.resolve(), sleep(200)])).toBe(false);
  expect(await settlesWithin(20, [new Promise(() => undefined)])).toBe(false);
});

it("a machine that had no time for the process makes no call late", async () => {
  const call = sleep(20).then(() => new Promise((resolve) => setImmediate(resolve)));
  const isInTime = settlesWithin(60, [call]);
  for (const end = performance.now() + 150; performance.now() < end; );
  expect(await isInTime).toBe(true);
});

it("what is gone before it could be seen is tried again with more time, what is gone too soon is told", async () => {
  const tried: number[] = [];
  const slowly = async (_id: string, ttlMs: number): Promise<boolean> => {
    tried.push(ttlMs);
    if (tried.length === 1) await sleep(ttlMs + 10);
    return tried.length > 1;
  };
  expect(await seenBeforeItExpires(slowly)).toEqual({ id: `for ${tried[1]} ms`, ttlMs: tried[1] });
  await expect(seenBeforeItExpires(async () => false)).rejects.toThrow("gone before its time");
  await expect(seenBeforeItExpires(() => Promise.reject(new Error("absent")))).rejects.toThrow("absent");
});
