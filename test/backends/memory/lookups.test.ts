// Reads cost what they return, not what the store holds (C3, S7).
import { describe, expect, it } from "vitest";
import { memoryDriver } from "../../../src/backends/memory/index.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import { driverCall } from "./driver-call.js";

const call = driverCall();

/** Median times of a read from many and of one from few, in microseconds; in turns, so that a busy machine meets both. */
async function times(
  few: () => Promise<unknown>,
  many: () => Promise<unknown>,
): Promise<{ few: number; many: number }> {
  const spent: { few: number[]; many: number[] } = { few: [], many: [] };
  for (let round = 0; round < 21; round++) {
    spent.few.push(await timeOf(few));
    spent.many.push(await timeOf(many));
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[10] ?? 0;
  return { few: median(spent.few), many: median(spent.many) };
}

async function timeOf(read: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < 20; i++) await read();
  return ((performance.now() - start) * 1_000) / 20;
}

async function conversationOf(count: number): Promise<StorageDriver> {
  const driver = memoryDriver();
  await driver.createSession(call, { sessionId: "s", userId: "u", metadata: "{}", ttlMs: null });
  const messages = Array.from({ length: count }, (_, i) => ({
    messageId: `m${i}`,
    keyed: false,
    role: i === 0 ? "system" : "user",
    content: "1",
    metadata: "{}",
    timestamp: 0,
  }));
  await driver.addMessages(call, "s", messages, null);
  return driver;
}

async function sessionsOf(count: number): Promise<StorageDriver> {
  const driver = memoryDriver();
  const sessions = Array.from({ length: count }, (_, i) => ({
    sessionId: `s${i}`,
    userId: `u${i % (count / 100)}`,
    metadata: "{}",
    ttlMs: null,
  }));
  await driver.createSessions(call, sessions);
  return driver;
}

// Whatever looks at every row takes 100 times as long; a busy machine does not make a read 20 times slower than another.
const FAR_FROM_LINEAR = 20;

describe("a read of 50 rows takes about as long from many as from few", () => {
  it("of messages: the newest, those before and after a seq, those of a rare role (C3)", async () => {
    const [few, many] = [await conversationOf(2000), await conversationOf(200_000)];
    for (const window of [
      { limit: 50, before: null, after: null, roles: null },
      { limit: 50, before: 1000, after: null, roles: null },
      { limit: 50, before: null, after: 500, roles: null },
      { limit: 50, before: null, after: null, roles: ["system", "nobody"] },
    ]) {
      const [short, long] = [await few.getHistory(call, "s", window), await many.getHistory(call, "s", window)];
      expect(long).toHaveLength(short.length);
      const took = await times(
        () => few.getHistory(call, "s", window),
        () => many.getHistory(call, "s", window),
      );
      expect(took.many).toBeLessThan(FAR_FROM_LINEAR * took.few);
    }
  });

  it("of sessions: by either time, either way, of all users or of one (S7)", async () => {
    const [few, many] = [await sessionsOf(1000), await sessionsOf(100_000)];
    for (const orderBy of ["createdAt", "updatedAt"] as const) {
      for (const [direction, userId] of [
        ["asc", null],
        ["desc", null],
        ["desc", "u7"],
      ] as const) {
        const listing = {
          userId,
          statuses: null,
          metadata: [],
          createdFrom: null,
          createdTo: null,
          updatedFrom: null,
          updatedTo: null,
          orderBy,
          direction,
          limit: 50,
          after: null,
        };
        expect((await many.listSessions(call, listing)).rows).toHaveLength(50);
        const took = await times(
          () => few.listSessions(call, listing),
          () => many.listSessions(call, listing),
        );
        expect(took.many).toBeLessThan(FAR_FROM_LINEAR * took.few);
      }
    }
  });
});
