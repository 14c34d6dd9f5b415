/** One round: writers run, are killed with SIGKILL, and the store is held against what they were told. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { StorageBackend } from "../../../../src/index.js";
import { messageIds, type Operation, stateOf, type WriterLine } from "./acknowledgement.js";

export interface RoundReport {
  readonly acknowledged: number;
  /** Acknowledged, and not in the store. */
  readonly lost: string[];
  /** In the store in part, or twice. */
  readonly half: string[];
  /** Sent, not acknowledged: the kill came in between. */
  readonly open: Operation[];
}

/** Runs a writer for `ms` milliseconds behind its first acknowledgement, then kills it. */
export async function killedWriter(path: string, name: string, ms: number, mode = ""): Promise<WriterLine[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "writer.ts"), path, name, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let output = "";
  child.stdout.setEncoding("utf8");
  const begun = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: string) => {
      output += text;
      if (output.includes('"acknowledged"')) resolve();
    });
  });
  await Promise.race([begun, closed]);
  await sleep(ms);
  child.kill("SIGKILL");
  const [code, signal] = await closed;
  if (signal !== "SIGKILL") throw new Error(`the writer ended by itself with ${code ?? signal}`);
  return output
    .slice(0, output.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as WriterLine);
}

/** What of the told is lost or half in the store. */
export async function examine(storage: StorageBackend, lines: readonly WriterLine[]): Promise<RoundReport> {
  const key = (operation: Operation): string => JSON.stringify(operation);
  const acknowledged = new Set(
    lines.filter((line) => line.state === "acknowledged").map((line) => key(line.operation)),
  );
  const report: RoundReport = { acknowledged: acknowledged.size, lost: [], half: [], open: [] };
  for (const { state, operation } of lines) {
    if (state !== "sent") continue;
    const known = acknowledged.has(key(operation));
    if (!known) report.open.push(operation);
    const found = await presence(storage, operation);
    if (found === "half") report.half.push(key(operation));
    else if (known && found === "absent") report.lost.push(key(operation));
  }
  for (const session of new Set(lines.map((line) => line.operation.session))) {
    report.half.push(...(await miscounted(storage, session, lines, acknowledged)));
  }
  return report;
}

async function presence(storage: StorageBackend, operation: Operation): Promise<"whole" | "half" | "absent"> {
  const { session } = operation;
  switch (operation.kind) {
    case "append": {
      const ids = new Set(messageIds(operation.batch, operation.size));
      const history = await storage.getConversationHistory(session, { limit: 10_000 });
      const stored = history.filter((message) => ids.has(message.messageId));
      if (stored.length === 0) return "absent";
      const whole = stored.every((message) => message.content === `${message.messageId} ${"x".repeat(300)}`);
      return whole && stored.length === ids.size ? "whole" : "half";
    }
    case "checkpoint": {
      const checkpoint = await storage.getCheckpoint(session, { checkpointId: operation.id });
      if (checkpoint === undefined) return "absent";
      return isDeepStrictEqual(checkpoint.data, stateOf(operation.step)) ? "whole" : "half";
    }
    case "writes": {
      const writes = await storage.getWrites(session, operation.id);
      return writes.length === 0 ? "absent" : writes.length === operation.size ? "whole" : "half";
    }
    case "context": {
      const newest = (await storage.getTaskContext(session))?.version ?? 0;
      if (newest < operation.version) return "absent";
      const context = await storage.getTaskContext(session, { version: operation.version });
      // Older versions than the newest twenty are dropped (T2).
      if (context === undefined) return newest - operation.version >= 20 ? "whole" : "half";
      return isDeepStrictEqual(context.context, stateOf(operation.version)) ? "whole" : "half";
    }
    case "item": {
      const item = await storage.getItem(["kill", session], operation.key);
      return item === undefined ? "absent" : item.version === 1 ? "whole" : "half";
    }
    case "count":
      // Counted below, for the session as a whole.
      return "whole";
  }
}

/** Counters and numbers that do not agree with what was told. */
async function miscounted(
  storage: StorageBackend,
  session: string,
  lines: readonly WriterLine[],
  acknowledged: ReadonlySet<string>,
): Promise<string[]> {
  const problems: string[] = [];
  const stored = await storage.getSession(session);
  const history = await storage.getConversationHistory(session, { limit: 10_000 });
  const counts = lines.filter(
    (line) => line.state === "sent" && line.operation.kind === "count" && line.operation.session === session,
  );
  const certain = counts.filter((line) => acknowledged.has(JSON.stringify(line.operation))).length;
  const requests = stored?.requestCount ?? 0;
  if (requests < certain || requests > counts.length)
    problems.push(`${session} counts ${requests} of ${certain} requests`);
  if (history.some((message, index) => message.seq !== index + 1)) problems.push(`${session} has a gap in seq`);
  if ((stored?.messageCount ?? 0) !== history.length || (stored?.lastSeq ?? 0) !== history.length) {
    problems.push(`${session} counts ${stored?.messageCount} messages and has ${history.length}`);
  }
  return problems;
}

/** Sends again what was open, under the same ids and keys: afterwards it is there once. */
export async function sendAgain(storage: StorageBackend, open: readonly Operation[]): Promise<void> {
  for (const operation of open) {
    const { session } = operation;
    if (operation.kind === "append") {
      const messages = messageIds(operation.batch, operation.size).map((messageId) => ({
        role: "user",
        content: `${messageId} ${"x".repeat(300)}`,
        messageId,
      }));
      await storage.addConversationMessages(session, messages);
    } else if (operation.kind === "count") {
      await storage.updateSession(session, { incrementRequests: true, idempotencyKey: operation.key });
    } else if (operation.kind === "checkpoint") {
      await storage.storeCheckpoint(session, operation.id, stateOf(operation.step), { sessionId: session });
    }
  }
}
