// How long `retry` waits: what it asks of the timer, which runs at once here.
import { expect, it, vi } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { StorageConnectionError } from "../../src/contract/errors.js";
import { type RetryOptions, retry } from "../../src/layers/index.js";

const asked = vi.hoisted((): number[] => []);

vi.mock("node:timers/promises", async (original) => ({
  ...(await original<typeof import("node:timers/promises")>()),
  setTimeout: async (ms: number): Promise<void> => {
    asked.push(ms);
  },
}));

async function waits(options: RetryOptions, retryAfterMs?: number): Promise<number[]> {
  const storage = retry(options)({
    ...memoryStorage(),
    getSession: async () => {
      throw new StorageConnectionError("away", { retryAfterMs });
    },
  });
  await storage.getSession("s").catch(() => undefined);
  return asked.splice(0);
}

it("waits at random up to a cap that doubles, and as long as the error asks", async () => {
  const rounds: number[][] = [];
  for (let i = 0; i < 200; i++) rounds.push(await waits({ maxAttempts: 5, initialDelayMs: 40, maxDelayMs: 100 }));
  for (const [i, cap] of [40, 80, 100, 100].entries()) {
    const waited = rounds.map((round) => round[i] ?? Number.NaN);
    expect(Math.max(...waited)).toBeLessThanOrEqual(cap);
    expect(Math.max(...waited)).toBeGreaterThan(cap * 0.75);
    expect(Math.min(...waited)).toBeLessThan(cap * 0.25);
  }
  const hinted = await waits({ maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 100 }, 60);
  expect(hinted).toHaveLength(2);
  expect(Math.min(...hinted)).toBeGreaterThanOrEqual(60);
  expect(await waits({ maxAttempts: 3, maxDelayMs: 100 }, 101)).toEqual([]);
  expect(await waits({ maxAttempts: 3, maxDelayMs: 600_000 }, 60_000)).toEqual([]);
});
