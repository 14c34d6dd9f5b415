// Idempotency keys whose update was not copied when the process ended: none is used twice, however late the next one begins.
import { afterEach, expect, it, vi } from "vitest";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { failover } from "../../../src/layers/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { keptJournal } from "./kept-journal.js";

const DAY_MS = 86_400_000;

afterEach(() => {
  vi.useRealTimers();
});

/** Opens the pair again and again on the same stores and journal, by the same clock. */
async function restartable(): Promise<{ open(): Promise<StorageBackend>; wait(ms: number): void }> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2031, 2, 14) });
  const [a, b] = [await memoryFactory.create(), await memoryFactory.create()];
  const clock = { now: () => Date.now() };
  const journal = keptJournal();
  return {
    open: async () => {
      const layer = failover({ fallback: await b.open({ clock }), mode: "primary-then-fallback", journal });
      return layer(await a.open({ clock }));
    },
    wait: (ms) => vi.setSystemTime(Date.now() + ms),
  };
}

it.each([0, DAY_MS / 2, DAY_MS, 3 * DAY_MS])("are decided once after %d ms", async (pause) => {
  const { open, wait } = await restartable();
  const first = await open();
  await first.createSession("s", "u");
  await first.updateSession("s", { incrementRequests: true, idempotencyKey: "k" });
  await first.close();
  wait(pause);
  const second = await open();
  await second.getSession("s");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await second.getSession("s"))?.requestCount).toBe(1);
  const again = await second.updateSession("s", { incrementRequests: true, idempotencyKey: "k" });
  expect(again.requestCount).toBe(pause < DAY_MS ? 1 : 2);
  await second.close();
});
