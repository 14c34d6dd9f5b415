// Callers that append to conversations, each to its own, and look whether what they read is what was written.
import { setTimeout as sleep } from "node:timers/promises";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../src/testing/in-time.js";

/** What F2 allows beyond the deadline, and a busy machine. */
const SLACK_MS = 250 + 500;

/** What came of a load. */
export interface LoadReport {
  acknowledged: number;
  /** Calls that were refused or gave up, by code and outcome. */
  readonly failed: Map<string, number>;
  /** Sentences about what no store may give. */
  readonly wrong: string[];
  /** The longest call, in milliseconds. */
  longestMs: number;
  /** Calls that had not settled soon after their deadline. */
  late: number;
}

export interface Load {
  readonly report: LoadReport;
  /** Lets every caller end what it has begun. */
  stop(): Promise<void>;
  /** Reads every conversation; gives how many acknowledged messages are not there. */
  countLost(): Promise<number>;
}

interface Caller {
  readonly storage: StorageBackend;
  readonly sessionId: string;
  /** `seq` by number of the message, of those that were acknowledged. */
  readonly seqs: Map<number, number>;
}

/** @param storages one for each caller: views of tenants, or the same again and again */
export async function startLoad(storages: readonly StorageBackend[], timeoutMs: number): Promise<Load> {
  const report: LoadReport = { acknowledged: 0, failed: new Map(), wrong: [], longestMs: 0, late: 0 };
  const callers = storages.map((storage, i): Caller => ({ storage, sessionId: `s${i}`, seqs: new Map() }));
  await Promise.all(callers.map(({ storage, sessionId }) => storage.createSession(sessionId, "ada")));
  let running = true;

  const call = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    const began = performance.now();
    const working = work();
    const noting = settlesWithin(timeoutMs + SLACK_MS, [working]).then((isInTime) => {
      if (!isInTime) report.late += 1;
    });
    try {
      return await working;
    } catch (error) {
      const { code, outcome } = error as { readonly code?: string; readonly outcome?: string };
      const name = `${code ?? String(error)} ${outcome}`;
      // The test has failed and closed the storage.
      if (code === "CLOSED") running = false;
      report.failed.set(name, (report.failed.get(name) ?? 0) + 1);
      return undefined;
    } finally {
      report.longestMs = Math.max(report.longestMs, performance.now() - began);
      await noting;
    }
  };

  const append = async ({ storage, sessionId, seqs }: Caller, n: number): Promise<void> => {
    // Sent again under its id until it is acknowledged: it is there once (C4).
    while (running) {
      const options = { messageId: `m${n}`, timeoutMs };
      const message = await call(() => storage.addConversationMessage(sessionId, "user", `text ${n}`, options));
      if (message === undefined) {
        await sleep(5);
        continue;
      }
      if (message.content !== `text ${n}`) report.wrong.push(`message ${n} came back as ${message.content}`);
      seqs.set(n, message.seq);
      report.acknowledged += 1;
      return;
    }
  };

  const look = async ({ storage, sessionId, seqs }: Caller): Promise<void> => {
    const messages = await call(() => storage.getConversationHistory(sessionId, { limit: 5, timeoutMs }));
    for (const { seq, messageId, content } of messages ?? []) {
      const n = Number(messageId?.slice(1));
      if (content !== `text ${n}`) report.wrong.push(`message ${messageId} reads ${content}`);
      if (seqs.has(n) && seqs.get(n) !== seq)
        report.wrong.push(`message ${messageId} was ${seqs.get(n)} and is ${seq}`);
    }
  };

  const loops = callers.map(async (caller) => {
    for (let n = 1; running; n++) {
      await append(caller, n);
      if (n % 5 === 0) await look(caller);
    }
  });
  return {
    report,
    async stop() {
      running = false;
      await Promise.all(loops);
    },
    async countLost() {
      let lost = 0;
      for (const { storage, sessionId, seqs } of callers) {
        const stored = new Map<string, number>();
        for (let after = 0; ; ) {
          const page = await storage.getConversationHistory(sessionId, { limit: 5_000, after });
          for (const { messageId, seq } of page) {
            if (stored.has(messageId)) report.wrong.push(`message ${messageId} is there twice`);
            stored.set(messageId, seq);
          }
          const last = page.at(-1);
          if (last === undefined) break;
          after = last.seq;
        }
        for (const [n, seq] of seqs) if (stored.get(`m${n}`) !== seq) lost += 1;
      }
      return lost;
    },
  };
}

/** One line for a person. */
export function summary({ acknowledged, failed, longestMs }: LoadReport, lost: number): string {
  const refused = [...failed].map(([name, count]) => `${name}: ${count}`).join(", ");
  return `${acknowledged} acknowledged, ${lost} lost, longest call ${Math.round(longestMs)} ms${refused === "" ? "" : `; ${refused}`}`;
}
