/** What of a state travels to the server: the blocks that are not known to be there (K4). */
import type { NewBlock, SplitState } from "../../domain/segments/split.js";
import { selectNames } from "./blocks.js";
import type { Transaction } from "./connection/transaction.js";

/** The blocks of a state as far as they are not known to be stored, and the names of those that were left out. */
export interface Sending {
  readonly blocks: readonly NewBlock[];
  readonly assumed: readonly string[];
}

export function sendingOf(state: SplitState, known: ReadonlySet<string>): Sending {
  if (state.root === null) return NOTHING_TO_SEND;
  const assumed = new Set<string>();
  const blocks = [
    ...state.newBlocks((name) => {
      if (!known.has(name)) return false;
      assumed.add(name);
      return true;
    }),
  ];
  return { blocks, assumed: [...assumed] };
}

const NOTHING_TO_SEND: Sending = { blocks: [], assumed: [] };

export function bytesOf({ blocks }: Sending): number {
  return blocks.reduce((sum, { data }) => sum + data.length, 0);
}

/** What the next state needs to know of is at the end: nodes behind pieces, and behind them what was known this time. */
export function namesOf({ blocks, assumed }: Sending): string[] {
  const pieces = blocks.filter(({ children }) => children.length === 0);
  const nodes = blocks.filter(({ children }) => children.length > 0).reverse();
  return [...[...pieces, ...nodes].map(({ name }) => name), ...assumed];
}

/** Which of some names the thread has blocks of. */
export async function storedNames(
  tx: Transaction,
  tenant: string,
  threadId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await tx.query<{ name: Buffer }>(selectNames(tenant, threadId, names));
  return new Set(rows.map(({ name }) => name.toString("hex")));
}
