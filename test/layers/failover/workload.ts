// Callers that read and write all the time while the primary goes and comes, and what they were told compared with what both stores hold.
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { isStorageError } from "../../../src/contract/errors.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { canonicalText } from "../../../src/layers/failover/digest.js";
import { settlesWithin } from "../../../src/testing/in-time.js";

/** Deadline of each call, in milliseconds. */
const TIMEOUT_MS = 5_000;
const SLACK_MS = 1_500;

/** A conversation is as long as a chat, so that what is copied stays of that size. */
const STEPS_OF_SESSION = 20;

export interface LoadReport {
  acknowledged: number;
  readonly failed: Map<string, number>;
  longestMs: number;
  /** Calls that had not settled soon after their deadline. */
  late: number;
  /** Times without an acknowledged write, and without an answered read, above 100 ms. */
  readonly writeGaps: number[];
  readonly readGaps: number[];
}

interface Told {
  readonly acknowledged: Set<string>;
  readonly unknown: Set<string>;
}

/** One session of one caller. */
interface Chat {
  readonly sessionId: string;
  readonly messages: Told;
  readonly keyedMessages: Set<string>;
  keyedUpdates: number;
  readonly checkpoints: Set<string>;
  readonly requests: Told;
}

const told = (): Told => ({ acknowledged: new Set(), unknown: new Set() });

export interface Load {
  readonly report: LoadReport;
  /** Lets the callers finish. */
  stop(): Promise<void>;
  /** Proves that a store holds all that was acknowledged, in order, and nothing twice. */
  verify(store: StorageBackend): Promise<void>;
}

export function startLoad(storage: StorageBackend, callers = 4): Load {
  const report: LoadReport = { acknowledged: 0, failed: new Map(), longestMs: 0, late: 0, writeGaps: [], readGaps: [] };
  const chats: Chat[] = [];
  const increments = told();
  let isEnding = false;
  const last = { write: performance.now(), read: performance.now() };

  const tried = async (
    kind: "write" | "read",
    call: () => Promise<unknown>,
  ): Promise<"acknowledged" | "unknown" | "not-applied"> => {
    const start = performance.now();
    const calling = call();
    void settlesWithin(TIMEOUT_MS + SLACK_MS, [calling]).then((isInTime) => {
      if (!isInTime) report.late += 1;
    });
    try {
      await calling;
      const now = performance.now();
      if (kind === "write") report.acknowledged += 1;
      if (now - last[kind] > 100) report[`${kind}Gaps`].push(now - last[kind]);
      last[kind] = now;
      return "acknowledged";
    } catch (error) {
      if (!isStorageError(error) || (error.code !== "CONNECTION" && error.code !== "TIMEOUT")) throw error;
      const name = `${kind} ${error.code} ${error.outcome}`;
      report.failed.set(name, (report.failed.get(name) ?? 0) + 1);
      await sleep(10);
      return error.outcome;
    } finally {
      report.longestMs = Math.max(report.longestMs, performance.now() - start);
    }
  };
  const once = async ({ acknowledged, unknown }: Told, name: string, call: () => Promise<unknown>): Promise<void> => {
    const outcome = await tried("write", call);
    if (outcome === "acknowledged") acknowledged.add(name);
    else if (outcome === "unknown") unknown.add(name);
  };
  const untilAcknowledged = async (call: () => Promise<unknown>): Promise<void> => {
    while ((await tried("write", call)) !== "acknowledged") await sleep(10);
  };

  const options = { timeoutMs: TIMEOUT_MS };
  const begun = async (sessionId: string): Promise<Chat> => {
    await untilAcknowledged(() => storage.createSession(sessionId, "ada", { ...options, ifExists: "return" }));
    const chat: Chat = {
      sessionId,
      messages: told(),
      keyedMessages: new Set(),
      keyedUpdates: 0,
      checkpoints: new Set(),
      requests: told(),
    };
    chats.push(chat);
    return chat;
  };
  const run = async (name: string): Promise<void> => {
    for (let i = 0; !isEnding; ) {
      const chat = await begun(`${name}-${i}`);
      for (const end = i + STEPS_OF_SESSION; i < end && !isEnding; i += 1) await step(chat, i);
    }
  };
  const step = async (chat: Chat, i: number): Promise<void> => {
    const { sessionId } = chat;
    await once(chat.messages, `${i}`, () => storage.addConversationMessage(sessionId, "user", `${i}`, options));
    await untilAcknowledged(() =>
      storage.addConversationMessage(sessionId, "tool", `${i}`, { ...options, messageId: `key ${i}` }),
    );
    chat.keyedMessages.add(`${i}`);
    await tried("read", () => storage.getConversationHistory(sessionId, options));
    await untilAcknowledged(() =>
      storage.updateSession(sessionId, { markError: true, idempotencyKey: `key ${i}` }, options),
    );
    chat.keyedUpdates += 1;
    await once(chat.requests, `${i}`, () => storage.updateSession(sessionId, { incrementRequests: true }, options));
    const state = { step: i, list: Array.from({ length: i % 20 }, (_, n) => `${sessionId} ${n}`) };
    const link = i % 2 === 0 ? { ...options, sessionId } : options;
    await untilAcknowledged(() => storage.storeCheckpoint(sessionId, `${i}`, state, link));
    chat.checkpoints.add(`${i}`);
    await once(increments, `${sessionId} ${i}`, () =>
      storage.updateItem(["load"], "count", { increment: { n: 1 } }, options),
    );
  };
  const running = Promise.allSettled(Array.from({ length: callers }, (_, i) => run(`caller-${i}`)));

  return {
    report,
    async stop() {
      isEnding = true;
      for (const result of await running) if (result.status === "rejected") throw result.reason;
      expect(report.late).toBe(0);
    },
    async verify(store) {
      for (const chat of chats) await verifyChat(store, chat);
      const count = (await store.getItem(["load"], "count"))?.value.n;
      expect(count).toBeGreaterThanOrEqual(increments.acknowledged.size);
      expect(count).toBeLessThanOrEqual(increments.acknowledged.size + increments.unknown.size);
    },
  };
}

async function verifyChat(store: StorageBackend, chat: Chat): Promise<void> {
  const { sessionId } = chat;
  const history = await store.getConversationHistory(sessionId, { limit: 10_000 });
  expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => i + 1));
  const texts = (role: string): string[] =>
    history.filter((message) => message.role === role).map(({ content }) => String(content));
  assertTold(texts("user"), chat.messages);
  expect(texts("tool")).toEqual([...chat.keyedMessages]);
  const session = await store.getSession(sessionId);
  expect(session?.errorCount).toBe(chat.keyedUpdates);
  expect(session?.requestCount).toBeGreaterThanOrEqual(chat.requests.acknowledged.size);
  expect(session?.requestCount).toBeLessThanOrEqual(chat.requests.acknowledged.size + chat.requests.unknown.size);
  const checkpoints = await store.listCheckpoints(sessionId, { limit: 10_000 });
  expect(checkpoints.map(({ checkpointId }) => checkpointId).reverse()).toEqual([...chat.checkpoints]);
}

/** All that was acknowledged is there, nothing that was refused, nothing twice, all in the order in which it was sent. */
function assertTold(stored: readonly string[], { acknowledged, unknown }: Told): void {
  expect([...acknowledged].filter((name) => !stored.includes(name))).toEqual([]);
  expect(stored.filter((name) => !acknowledged.has(name) && !unknown.has(name))).toEqual([]);
  expect(stored).toEqual([...new Set(stored)].sort((a, b) => Number(a) - Number(b)));
}

/** Every record of a store, in an order that is the same for all stores. */
export async function everyRecord(store: StorageBackend): Promise<string[]> {
  const records: string[] = [];
  for await (const record of store.exportRecords() as AsyncIterable<StorageRecord>) records.push(canonicalText(record));
  return records.sort();
}

export function summary({ acknowledged, failed, longestMs, writeGaps, readGaps }: LoadReport): string {
  const failures = [...failed].map(([kind, count]) => `${count} ${kind}`).join(", ");
  return [
    `${acknowledged} writes acknowledged`,
    `failed: ${failures || "none"}`,
    `the longest call took ${Math.round(longestMs)} ms`,
    `without a write ${gaps(writeGaps)}`,
    `without a read ${gaps(readGaps)}`,
  ].join("; ");
}

function gaps(all: readonly number[]): string {
  const sorted = [...all].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return sorted.length === 0
    ? "never above 100 ms"
    : `${sorted.length} times above 100 ms, median ${at(0.5)} ms, most ${at(1)} ms`;
}
