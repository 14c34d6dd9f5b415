// Callers that write all the time while a test does harm to the server, and what they were told compared with what is stored.
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { isStorageError } from "../../../../src/contract/errors.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../../src/testing/in-time.js";

/** Deadline of each call, in milliseconds. */
export const TIMEOUT_MS = 5_000;

/** What F2 allows beyond the deadline, and a busy machine. */
const SLACK_MS = 250 + 750;

export interface Report {
  acknowledged: number;
  /** Failed calls, by code and outcome. */
  readonly failed: Map<string, number>;
  /** From the call to its end. */
  longestMs: number;
  /** Calls that had not settled soon after their deadline. */
  late: number;
  /** Between two acknowledgements of anything. */
  longestSilenceMs: number;
}

/** Writes whose outcome is the question: a name each, as they were told. */
class Told {
  readonly acknowledged = new Set<string>();
  readonly unknown = new Set<string>();
}

/** One caller with a session and a thread of its own, and a session that all share. */
class Caller {
  readonly messages = new Told();
  /** Each is tried until it is acknowledged. */
  readonly keyedMessages = new Set<string>();
  readonly requests = new Told();
  readonly shared = new Told();
  readonly checkpoints = new Told();
  keyedRequests = 0;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export interface Workload {
  readonly report: Report;
  /** Lets the callers finish, then proves that nothing is lost, nothing doubled and nothing half done. */
  verify(reader?: StorageBackend): Promise<Report>;
}

/** @param storages what the callers call, in turns */
export async function startWorkload(storages: readonly StorageBackend[], callers = 8): Promise<Workload> {
  const [first] = storages as readonly [StorageBackend, ...StorageBackend[]];
  const all = Array.from({ length: callers }, (_, i) => new Caller(`caller-${i}`));
  const sessions = ["shared", ...all.map(({ name }) => name)].map((sessionId) => ({ sessionId, userId: "ada" }));
  // A server that is told to take statements back soon may take this one back too.
  for (let tries = 1; ; tries++) {
    const failure = await first.batchCreateSessions(sessions).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) break;
    if (!isStorageError(failure) || failure.code !== "CONNECTION" || tries === 50) throw failure;
    await sleep(20);
  }
  const report: Report = { acknowledged: 0, failed: new Map(), longestMs: 0, late: 0, longestSilenceMs: 0 };
  let ending = false;
  let lastAcknowledged = performance.now();

  /** What became of one call; an error that is none of ours fails the test. */
  async function tried(call: () => Promise<unknown>): Promise<"acknowledged" | "unknown" | "not-applied"> {
    const start = performance.now();
    const calling = call();
    void settlesWithin(TIMEOUT_MS + SLACK_MS, [calling]).then((isInTime) => {
      if (!isInTime) report.late += 1;
    });
    try {
      await calling;
      report.acknowledged += 1;
      report.longestSilenceMs = Math.max(report.longestSilenceMs, performance.now() - lastAcknowledged);
      lastAcknowledged = performance.now();
      return "acknowledged";
    } catch (error) {
      if (!isStorageError(error) || (error.code !== "CONNECTION" && error.code !== "TIMEOUT")) throw error;
      const kind = `${error.code} ${error.outcome}`;
      report.failed.set(kind, (report.failed.get(kind) ?? 0) + 1);
      return error.outcome;
    } finally {
      report.longestMs = Math.max(report.longestMs, performance.now() - start);
    }
  }

  async function once(told: Told, name: string, call: () => Promise<unknown>): Promise<void> {
    const outcome = await tried(call);
    if (outcome === "acknowledged") told.acknowledged.add(name);
    else if (outcome === "unknown") told.unknown.add(name);
    if (outcome !== "acknowledged") await sleep(5);
  }

  async function untilAcknowledged(call: () => Promise<unknown>): Promise<void> {
    while ((await tried(call)) !== "acknowledged") await sleep(5);
  }

  const options = { timeoutMs: TIMEOUT_MS };
  const run = async (caller: Caller, index: number): Promise<void> => {
    const { name } = caller;
    for (let i = 0; !ending; i++) {
      const storage = storages[(index + i) % storages.length] as StorageBackend;
      const text = `${name} ${i}`;
      await once(caller.messages, text, () => storage.addConversationMessage(name, "user", text, options));
      await untilAcknowledged(() =>
        storage.addConversationMessage(name, "tool", text, { ...options, messageId: `key ${text}` }),
      );
      caller.keyedMessages.add(text);
      await once(caller.shared, text, () => storage.addConversationMessage("shared", "user", text, options));
      await once(caller.requests, text, () => storage.updateSession(name, { incrementRequests: true }, options));
      await untilAcknowledged(() =>
        storage.updateSession(name, { markError: true, idempotencyKey: `key ${i}` }, options),
      );
      caller.keyedRequests += 1;
      const state = { of: text, list: Array.from({ length: i % 40 }, (_, n) => `${text} ${n}`.repeat(20)) };
      // Every other thread is linked to its session.
      const link = index % 2 === 0 ? { ...options, sessionId: name } : options;
      await once(caller.checkpoints, `${i}`, () => storage.storeCheckpoint(name, `${i}`, state, link));
    }
  };
  const running = Promise.allSettled(all.map(run));

  return {
    report,
    async verify(reader = first) {
      ending = true;
      for (const result of await running) if (result.status === "rejected") throw result.reason;
      expect(report.late).toBe(0);
      const shared = new Told();
      for (const caller of all) {
        await verifyCaller(reader, caller);
        for (const text of caller.shared.acknowledged) shared.acknowledged.add(text);
        for (const text of caller.shared.unknown) shared.unknown.add(text);
      }
      verifyTold(
        (await historyOf(reader, "shared")).map(({ content }) => String(content)),
        shared,
      );
      return report;
    },
  };
}

async function verifyCaller(reader: StorageBackend, caller: Caller): Promise<void> {
  const { name } = caller;
  const history = await historyOf(reader, name);
  const texts = (role: string): string[] =>
    history.filter((message) => message.role === role).map(({ content }) => String(content));
  verifyTold(texts("user"), caller.messages);
  expect(new Set(texts("tool"))).toEqual(caller.keyedMessages);
  expect(texts("tool")).toHaveLength(caller.keyedMessages.size);
  const session = await reader.getSession(name);
  expect(session?.messageCount).toBe(history.length);
  // With its key each was applied once, however often it was sent.
  expect(session?.errorCount).toBe(caller.keyedRequests);
  const { acknowledged, unknown } = caller.requests;
  expect(session?.requestCount).toBeGreaterThanOrEqual(acknowledged.size);
  expect(session?.requestCount).toBeLessThanOrEqual(acknowledged.size + unknown.size);
  const checkpoints = await reader.listCheckpoints(name, { limit: 1_000, data: true });
  verifyTold(checkpoints.map(({ checkpointId }) => checkpointId).reverse(), caller.checkpoints, 1_000);
  for (const { checkpointId, data } of checkpoints) {
    const state = data as { readonly of: string; readonly list: readonly string[] };
    expect(state.of).toBe(`${name} ${checkpointId}`);
    expect(state.list).toHaveLength(Number(checkpointId) % 40);
  }
}

/** All that was acknowledged is there, nothing is that was refused, and nothing is twice. */
function verifyTold(
  stored: readonly string[],
  { acknowledged, unknown }: Told,
  newest = Number.POSITIVE_INFINITY,
): void {
  const there = new Set(stored);
  expect(there.size).toBe(stored.length);
  expect(stored.filter((name) => !acknowledged.has(name) && !unknown.has(name))).toEqual([]);
  if (stored.length < newest) expect([...acknowledged].filter((name) => !there.has(name))).toEqual([]);
}

/** Also proves that `seq` has no gap (C1). */
async function historyOf(
  reader: StorageBackend,
  sessionId: string,
): Promise<{ readonly role: string; readonly content: unknown }[]> {
  const found: { readonly role: string; readonly content: unknown }[] = [];
  for (let after = 0; ; ) {
    const page = await reader.getConversationHistory(sessionId, { after, limit: 1_000 });
    for (const message of page) {
      expect(message.seq).toBe(after + 1);
      after = message.seq;
      found.push(message);
    }
    if (page.length < 1_000) return found;
  }
}

export function summary(report: Report): string {
  const failed = [...report.failed].map(([kind, count]) => `${count} ${kind}`).join(", ");
  return `${report.acknowledged} acknowledged; failed: ${failed || "none"}; the longest call took ${Math.round(report.longestMs)} ms, the longest time without an acknowledgement ${Math.round(report.longestSilenceMs)} ms`;
}
