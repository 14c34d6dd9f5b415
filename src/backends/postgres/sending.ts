/** What of a state travels to the server: the blocks that are not known to be there (K4). */
import type { NewStoredCheckpoint } from "../../domain/driver/storage-driver.js";
import type { KnownBlocks } from "../../domain/segments/known-blocks.js";
import type { NewBlock, SplitState } from "../../domain/segments/split.js";
import { selectNames } from "./blocks.js";
import type { Transaction } from "./connection/transaction.js";

/** The blocks of a state as far as they are not known to be stored. */
export interface Sending {
  readonly blocks: readonly NewBlock[];
  /** Names of those that were left out. */
  readonly assumed: readonly string[];
  /** Names of blocks that answer for those: where they are stored, those are. */
  readonly witnesses: readonly string[];
}

/** A checkpoint on its way, with what its state is made of. */
export interface Storing {
  readonly threadId: string;
  readonly checkpoint: NewStoredCheckpoint;
  readonly state: SplitState;
  readonly sending: Sending;
}

export function sendingOf(state: SplitState, known: ReadonlyMap<string, string>): Sending {
  if (state.root === null) return NOTHING_TO_SEND;
  const assumed = new Set<string>();
  const witnesses = new Set<string>();
  const blocks = [
    ...state.newBlocks((name) => {
      const witness = known.get(name);
      if (witness === undefined) return false;
      assumed.add(name);
      witnesses.add(witness);
      return true;
    }),
  ];
  return { blocks, assumed: [...assumed], witnesses: [...witnesses] };
}

const NOTHING_TO_SEND: Sending = { blocks: [], assumed: [], witnesses: [] };

export function bytesOf({ blocks }: Sending): number {
  return blocks.reduce((sum, { data }) => sum + data.length, 0);
}

/** Remembers what was sent and stored. What the next state needs to know of is at the end: nodes behind pieces, and behind them what was known this time. */
export function rememberSent(known: KnownBlocks, tenant: string, threadId: string, { blocks, assumed }: Sending): void {
  const pieces: string[] = [];
  const nodes: string[] = [];
  const needing = new Map<string, string>();
  for (const { name, children } of blocks) {
    if (children.length === 0) pieces.push(name);
    else nodes.push(name);
    for (const child of children) needing.set(child, name);
  }
  known.remember(tenant, threadId, [...pieces, ...nodes.reverse(), ...assumed], needing);
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
