/** Compacts conversations without touching a message: windows show a summary, or nothing, in the place of what is old. */
import { randomUUID } from "node:crypto";
import type { CallOptions, LeaseHeld } from "../contract/call.js";
import type { MessageRole } from "../contract/conversation-storage.js";
import { ConflictError, InvalidArgumentError, SessionNotFoundError } from "../contract/errors.js";
import { integer, knownOptions, oneOf } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import { BUDGET_FIELDS, type BudgetOptions, checkBudget, isBounded } from "./budget.js";
import { callable } from "./checks.js";
import { compactionBoundary, type KeptTail } from "./compaction-boundary.js";
import { type Compaction, type CompactionLog, readBelow, readLog, writeLog } from "./compaction-log.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { type Summarize, summarizeRange } from "./summarize.js";
import { walkBack } from "./walk-back.js";

export interface CompactOptions extends BudgetOptions, CallOptions, LeaseHeld {
  /** `summarize` puts the result of `summarize` in the place of the old messages, `truncate` nothing. */
  readonly strategy: "truncate" | "summarize";
  /** At least so many of the newest messages stay as they are. Default 20, unless a budget is given instead. */
  readonly keepLast?: number | undefined;
  /** Does nothing while fewer messages than this would be compacted, by their `seq`. Default 1. */
  readonly minMessages?: number | undefined;
  /** Needed for the strategy `summarize`. What it throws rejects the call; nothing is stored then. */
  readonly summarize?: Summarize | undefined;
  /** Role of the summary in windows. Default `system`. */
  readonly summaryRole?: MessageRole | undefined;
  /** Most messages given to `summarize` at once, 2 to 10,000; what is longer is summarised step by step. Default 500. */
  readonly chunkMessages?: number | undefined;
}

export interface CompactResult {
  /** Whether this call has compacted anything. */
  readonly compacted: boolean;
  /** Messages that windows no longer show because of this call, by their `seq`: deleted ones count too. */
  readonly messages: number;
  /** What holds now; absent when nothing was ever compacted. */
  readonly compaction?: Compaction;
}

export interface DropSummaryOptions extends CallOptions, LeaseHeld {
  /** Drops this compaction, and only if it is the newest. Default: the newest, whichever it is. */
  readonly compactionId?: string | undefined;
}

/** How often a change of the log starts anew because somebody was faster. */
const ATTEMPTS = 20;

const COMPACT_FIELDS = [
  ...BUDGET_FIELDS,
  "strategy",
  "keepLast",
  "minMessages",
  "summarize",
  "summaryRole",
  "chunkMessages",
  "lease",
] as const;

/**
 * Compacts what is older than the kept tail. Calling it again when nothing new is old enough changes nothing. Of two at the
 * same time, both results are kept, or the one that reaches further alone.
 * @throws SessionNotFoundError, FencedError, InvalidArgumentError, ConflictError after 20 lost races
 */
export async function compact(
  environment: EngineEnvironment,
  sessionId: string,
  options: CompactOptions,
): Promise<CompactResult> {
  const { storage, toolReferences } = environment;
  identifier(sessionId, "sessionId");
  const plan = parseCompactOptions(options);
  const call = callOptions(options);
  const [session, log] = await Promise.all([storage.getSession(sessionId, call), readLog(storage, sessionId, call)]);
  if (session === undefined) throw new SessionNotFoundError(sessionId);
  const covered = log.top?.compaction.throughSeq ?? 0;
  const uncovered = walkBack(storage, sessionId, { downTo: covered, scanLimit: Number.POSITIVE_INFINITY, ...call });
  const throughSeq = await compactionBoundary(uncovered, plan.kept, toolReferences);
  if (throughSeq === undefined || throughSeq - covered < plan.minMessages) return unchanged(log);
  const summary = plan.summarize && {
    role: plan.summaryRole,
    content: await summarizeRange(environment, sessionId, {
      after: covered,
      through: throughSeq,
      previous: log.top?.compaction.summary?.content,
      summarize: plan.summarize,
      chunkMessages: plan.chunkMessages,
      ...call,
    }),
  };
  const compaction: Compaction = {
    compactionId: randomUUID(),
    strategy: plan.strategy,
    throughSeq,
    ...(summary && { summary }),
    createdAt: new Date(environment.clock.now()),
  };
  return push(environment, sessionId, log, compaction, options);
}

/**
 * Takes back the newest compaction: windows show again what the one below it shows, at last every message. Returns what was
 * dropped, `undefined` if there was none, or if `compactionId` is not the newest.
 * @throws SessionNotFoundError, FencedError, ConflictError after 20 lost races
 */
export async function dropSummary(
  { storage }: EngineEnvironment,
  sessionId: string,
  options: DropSummaryOptions = {},
): Promise<Compaction | undefined> {
  identifier(sessionId, "sessionId");
  const known = knownOptions(options, ["compactionId", "lease"]);
  let { compactionId } = known;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const log = await readLog(storage, sessionId, callOptions(known));
    // Whoever loses the race to drop one compaction must not go on and drop another.
    compactionId ??= log.top?.compaction.compactionId;
    if (log.top === undefined || log.top.compaction.compactionId !== compactionId) return undefined;
    const below = await readBelow(storage, sessionId, log.top, callOptions(known));
    if (await writeLog(storage, sessionId, log, below, known)) return log.top.compaction;
  }
  throw lostRaces();
}

/** The compactions that hold, newest first: each stands for all that the next one stands for, and more. */
export async function listCompactions(
  { storage }: EngineEnvironment,
  sessionId: string,
  options: CallOptions = {},
): Promise<Compaction[]> {
  identifier(sessionId, "sessionId");
  const call = knownOptions(options, []);
  const compactions: Compaction[] = [];
  let entry = (await readLog(storage, sessionId, call)).top;
  while (entry !== undefined) {
    compactions.push(entry.compaction);
    entry = await readBelow(storage, sessionId, entry, call);
  }
  return compactions;
}

interface CompactPlan {
  readonly strategy: Compaction["strategy"];
  readonly kept: KeptTail;
  readonly minMessages: number;
  readonly summarize: Summarize | undefined;
  readonly summaryRole: MessageRole;
  readonly chunkMessages: number;
}

function parseCompactOptions(options: CompactOptions): CompactPlan {
  const known = knownOptions(options, COMPACT_FIELDS);
  const strategy = oneOf(known.strategy, "strategy", ["truncate", "summarize"]);
  checkBudget(known);
  if (known.keepLast !== undefined && isBounded(known)) {
    throw new InvalidArgumentError("keepLast and a budget exclude each other: what stays is told by one of them");
  }
  if (strategy === "summarize") callable(known.summarize, "summarize");
  if (strategy === "truncate" && known.summarize !== undefined) {
    throw new InvalidArgumentError("summarize is not for the strategy truncate");
  }
  const last = known.keepLast === undefined ? 20 : integer(known.keepLast, "keepLast", { min: 0 });
  return {
    strategy,
    kept: isBounded(known) ? { budget: known } : { last },
    minMessages: known.minMessages === undefined ? 1 : integer(known.minMessages, "minMessages", { min: 1 }),
    summarize: known.summarize,
    summaryRole: known.summaryRole === undefined ? "system" : identifier(known.summaryRole, "summaryRole"),
    chunkMessages:
      known.chunkMessages === undefined ? 500 : integer(known.chunkMessages, "chunkMessages", { min: 2, max: 10_000 }),
  };
}

async function push(
  { storage }: EngineEnvironment,
  sessionId: string,
  read: CompactionLog,
  compaction: Compaction,
  options: CompactOptions,
): Promise<CompactResult> {
  let log = read;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const covered = log.top?.compaction.throughSeq ?? 0;
    if (compaction.throughSeq <= covered) return unchanged(log);
    if (await writeLog(storage, sessionId, log, { compaction, below: log.top?.checkpointId }, options)) {
      return { compacted: true, messages: compaction.throughSeq - covered, compaction };
    }
    const fresh = await readLog(storage, sessionId, callOptions(options));
    // The log began anew: the conversation was cleared, and nothing of it may come back.
    if (fresh.version < log.version) return unchanged(fresh);
    log = fresh;
  }
  throw lostRaces();
}

function unchanged(log: CompactionLog): CompactResult {
  return { compacted: false, messages: 0, ...(log.top && { compaction: log.top.compaction }) };
}

function lostRaces(): ConflictError {
  return new ConflictError(`the compactions of the session changed ${ATTEMPTS} times during the call`, {
    retryable: true,
  });
}
