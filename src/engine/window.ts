/** Conversation windows: the newest messages that fit a budget, whole pairs of tool call and result only. */
import type { CallOptions } from "../contract/call.js";
import type { ConversationStorage, Message, MessageRole } from "../contract/conversation-storage.js";
import { integer, knownOptions } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import {
  addCosts,
  BUDGET_FIELDS,
  type BudgetOptions,
  type Cost,
  checkBudget,
  costOf,
  costOfAll,
  fits,
  isBounded,
  NO_COST,
} from "./budget.js";
import { flag, list } from "./checks.js";
import { type Compaction, readLog } from "./compaction-log.js";
import { derivedId } from "./derived-ids.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { ToolGroups } from "./tool-groups.js";
import { walkBack } from "./walk-back.js";

export interface WindowOptions extends BudgetOptions, CallOptions {
  /** Only messages of these roles. A tool call stays only if its results stay, and the other way round. */
  readonly roles?: readonly MessageRole[] | undefined;
  /** Keeps the system messages that the conversation begins with (16 at most), before all else, within the budget. Default `false`. */
  readonly keepSystem?: boolean | undefined;
  /** Shows the newest compaction in the place of what it stands for. Default `true`. */
  readonly useSummary?: boolean | undefined;
  /** Gives the newest message, with its tool calls, also when that alone exceeds the budget. Default `false`. */
  readonly atLeastOne?: boolean | undefined;
  /** Most messages that are read to fill the window. Default 10,000. */
  readonly scanLimit?: number | undefined;
}

export interface ConversationWindow {
  /** Oldest first: opening system messages, the summary, then the newest messages. */
  readonly messages: Message[];
  /** What the messages take of the budget; tokens only with `countTokens`. */
  readonly cost: Cost;
  /** Nothing older was left out for the budget, other than what the summary stands for. */
  readonly complete: boolean;
  /** Tool results, and messages bound to them, that were read and left out because a call is not in the window. */
  readonly withheld: number;
  /** The compaction that the window shows or, after `truncate`, begins behind. */
  readonly compaction?: Compaction;
}

/**
 * The newest messages that fit, oldest first. It reads backwards and stops when the budget is full.
 *
 * - The budget is exact. What does not fit is left out with all that is older; a message is never shortened.
 * - A tool result stands in a window only with its call: one whose call is further back, or nowhere, is left out.
 * - What is kept first: opening system messages (if asked for), the newest message with its tool calls, the summary, the rest.
 * - It is empty when the first two do not fit, unless `atLeastOne` is set.
 *
 * @throws InvalidArgumentError
 */
export async function readWindow(
  environment: EngineEnvironment,
  sessionId: string,
  options: WindowOptions = {},
): Promise<ConversationWindow> {
  const { storage } = environment;
  identifier(sessionId, "sessionId");
  const plan = parseWindowOptions(options);
  const [log, opening] = await Promise.all([
    plan.useSummary ? readLog(storage, sessionId, plan.call) : undefined,
    plan.keepSystem ? openingMessages(storage, sessionId, plan.call) : [],
  ]);
  const compaction = log?.top?.compaction;
  const walk = { ...plan, downTo: Math.max(compaction?.throughSeq ?? 0, opening.at(-1)?.seq ?? 0) };
  const result = (head: readonly Message[], cost: Cost, tail: Tail): ConversationWindow => ({
    messages: [...head, ...tail.messages],
    cost: addCosts(cost, tail.cost),
    complete: tail.complete,
    withheld: tail.withheld,
    ...(compaction && { compaction }),
  });
  const openingCost = await costOfAll(opening, plan.budget);
  const summary = compaction && summaryMessage(sessionId, compaction);
  if (summary !== undefined) {
    const cost = addCosts(openingCost, await costOf(summary, plan.budget));
    const tail = await fill(environment, sessionId, walk, cost);
    if (!tail.starved) return result([...opening, summary], cost, tail);
  }
  const tail = await fill(environment, sessionId, walk, openingCost);
  if (!tail.starved) return result(opening, openingCost, { ...tail, complete: tail.complete && summary === undefined });
  if (!plan.atLeastOne) return result([], NO_COST, tail);
  return result(opening, openingCost, await newestGroup(environment, sessionId, walk));
}

/** The summary of a compaction, in the shape of a message; its `seq` is the last one that it stands for. */
export function summaryMessage(sessionId: string, compaction: Compaction): Message | undefined {
  const { summary, compactionId, throughSeq, createdAt } = compaction;
  if (summary === undefined) return undefined;
  return {
    sessionId,
    seq: throughSeq,
    messageId: derivedId("waystone.summary", compactionId),
    role: summary.role,
    content: summary.content,
    metadata: { "waystone.summary": compactionId },
    timestamp: createdAt,
  };
}

/** Opening system messages that `keepSystem` keeps at most. */
const MAX_OPENING = 16;

/** How many messages further back `atLeastOne` looks for the call of a result. */
const LOOK_BACK = 256;

const WINDOW_FIELDS = [...BUDGET_FIELDS, "roles", "keepSystem", "useSummary", "atLeastOne", "scanLimit"] as const;

interface WindowPlan {
  readonly budget: BudgetOptions;
  readonly wants: (message: Message) => boolean;
  readonly keepSystem: boolean;
  readonly useSummary: boolean;
  readonly atLeastOne: boolean;
  readonly scanLimit: number;
  readonly call: CallOptions;
}

interface Walk extends WindowPlan {
  /** Messages up to this `seq` are represented otherwise. */
  readonly downTo: number;
}

/** The newer part of a window. */
interface Tail {
  /** Oldest first. */
  readonly messages: Message[];
  readonly cost: Cost;
  readonly complete: boolean;
  readonly withheld: number;
  /** There was something, and nothing of it did fit. */
  readonly starved: boolean;
}

function parseWindowOptions(options: WindowOptions): WindowPlan {
  const known = knownOptions(options, WINDOW_FIELDS);
  checkBudget(known);
  const roles = known.roles === undefined ? undefined : new Set(list(known.roles, "roles", identifier));
  return {
    budget: isBounded(known) ? known : { ...known, maxMessages: 50 },
    wants: ({ role }) => roles === undefined || roles.has(role),
    keepSystem: flag(known.keepSystem, "keepSystem"),
    useSummary: flag(known.useSummary, "useSummary", true),
    atLeastOne: flag(known.atLeastOne, "atLeastOne"),
    scanLimit: known.scanLimit === undefined ? 10_000 : integer(known.scanLimit, "scanLimit", { min: 1 }),
    call: callOptions(known),
  };
}

/** The system messages that the conversation begins with. */
async function openingMessages(
  storage: ConversationStorage,
  sessionId: string,
  call: CallOptions,
): Promise<readonly Message[]> {
  const oldest = await storage.getConversationHistory(sessionId, { after: 0, limit: MAX_OPENING, ...call });
  const end = oldest.findIndex(({ role }) => role !== "system");
  return end === -1 ? oldest : oldest.slice(0, end);
}

/** Reads back until the next older message does not fit, and leaves out what is not whole. */
async function fill(environment: EngineEnvironment, sessionId: string, walk: Walk, start: Cost): Promise<Tail> {
  const groups = new ToolGroups();
  const read: { readonly message: Message; readonly cost: Cost | undefined }[] = [];
  let used = start;
  let full = !fits(start, walk.budget);
  if (!full) {
    for await (const message of walkBack(environment.storage, sessionId, backwards(walk))) {
      const cost = walk.wants(message) ? await costOf(message, walk.budget) : undefined;
      full = cost !== undefined && !fits(addCosts(used, cost), walk.budget);
      if (full) break;
      if (cost !== undefined) used = addCosts(used, cost);
      groups.add(environment.toolReferences(message));
      read.push({ message, cost });
    }
  }
  const kept = groups.whole((position) => read[position]?.cost !== undefined).map((position) => read[position]);
  const wanted = read.filter(({ cost }) => cost !== undefined).length;
  return {
    messages: kept.flatMap((each) => each?.message ?? []).reverse(),
    cost: kept.reduce((total, each) => addCosts(total, each?.cost ?? NO_COST), NO_COST),
    complete: !full && (read.length < walk.scanLimit || read.at(-1)?.message.seq === walk.downTo + 1),
    withheld: wanted - kept.length,
    starved: full && kept.length === 0,
  };
}

/** The newest message that stands whole, with all that it is bound to and what lies between. */
async function newestGroup(environment: EngineEnvironment, sessionId: string, walk: Walk): Promise<Tail> {
  const groups = new ToolGroups();
  const read: Message[] = [];
  const wants = (position: number) => walk.wants(read[position] as Message);
  let newest: number | undefined;
  for await (const message of walkBack(
    environment.storage,
    sessionId,
    backwards({ ...walk, budget: { maxMessages: 1 } }),
  )) {
    groups.add(environment.toolReferences(message));
    read.push(message);
    // A result that has waited for long will not find its call: it does not hold the others up.
    if (groups.waiting.some((position) => read.length - position <= LOOK_BACK)) continue;
    newest = groups.whole(wants)[0];
    if (newest !== undefined) break;
  }
  newest ??= groups.whole(wants)[0];
  const end = newest === undefined ? -1 : groups.furthest(newest);
  const kept = groups.whole((position) => position <= end && wants(position));
  const messages = kept.map((position) => read[position] as Message).reverse();
  return {
    messages,
    cost: await costOfAll(messages, walk.budget),
    complete: end === read.length - 1 && read[end]?.seq === walk.downTo + 1,
    withheld: read.slice(0, end + 1).filter(walk.wants).length - messages.length,
    starved: false,
  };
}

function backwards(walk: Walk): Parameters<typeof walkBack>[2] {
  return { downTo: walk.downTo, scanLimit: walk.scanLimit, expected: walk.budget.maxMessages, ...walk.call };
}
