/** Budgets of messages, bytes and tokens: parsed, measured and kept exactly. */
import type { Message } from "../contract/conversation-storage.js";
import { InvalidArgumentError } from "../contract/errors.js";
import { finiteNumber, integer } from "../domain/arguments.js";
import { callable } from "./checks.js";
import { contentBytes } from "./message-size.js";

/** Tokens that a message takes in the model's input. */
export type CountTokens = (message: Message) => number | Promise<number>;

/** Upper bounds; a message is taken only if none is exceeded. */
export interface BudgetOptions {
  readonly maxMessages?: number | undefined;
  /** Bytes of content, as `contentBytes` counts them. */
  readonly maxBytes?: number | undefined;
  /** Tokens, as `countTokens` counts them. */
  readonly maxTokens?: number | undefined;
  /** Needed for `maxTokens`. */
  readonly countTokens?: CountTokens | undefined;
}

/** What messages take. */
export interface Cost {
  readonly messages: number;
  readonly bytes: number;
  /** 0 when no counter is given. */
  readonly tokens: number;
}

export const NO_COST: Cost = { messages: 0, bytes: 0, tokens: 0 };

export const BUDGET_FIELDS = ["maxMessages", "maxBytes", "maxTokens", "countTokens"] as const;

/** @throws InvalidArgumentError for a bound that is no positive integer, or `maxTokens` without a counter */
export function checkBudget(options: BudgetOptions): void {
  for (const field of ["maxMessages", "maxBytes", "maxTokens"] as const) {
    if (options[field] !== undefined) integer(options[field], field, { min: 1 });
  }
  if (options.countTokens !== undefined) callable(options.countTokens, "countTokens");
  if (options.maxTokens !== undefined && options.countTokens === undefined) {
    throw new InvalidArgumentError("maxTokens needs countTokens: only the caller knows the model's tokens");
  }
}

/** Whether any bound is set. */
export function isBounded({ maxMessages, maxBytes, maxTokens }: BudgetOptions): boolean {
  return maxMessages !== undefined || maxBytes !== undefined || maxTokens !== undefined;
}

/** @throws InvalidArgumentError when the counter gives no number of at least 0 */
export async function costOf(message: Message, { countTokens }: BudgetOptions): Promise<Cost> {
  const tokens =
    countTokens === undefined ? 0 : finiteNumber(await countTokens(message), "what countTokens returns", { min: 0 });
  return { messages: 1, bytes: contentBytes(message.content), tokens };
}

export async function costOfAll(messages: readonly Message[], options: BudgetOptions): Promise<Cost> {
  let total = NO_COST;
  for (const message of messages) total = addCosts(total, await costOf(message, options));
  return total;
}

export function addCosts(a: Cost, b: Cost): Cost {
  return { messages: a.messages + b.messages, bytes: a.bytes + b.bytes, tokens: a.tokens + b.tokens };
}

export function fits(cost: Cost, { maxMessages, maxBytes, maxTokens }: BudgetOptions): boolean {
  return within(cost.messages, maxMessages) && within(cost.bytes, maxBytes) && within(cost.tokens, maxTokens);
}

function within(value: number, max: number | undefined): boolean {
  return max === undefined || value <= max;
}
