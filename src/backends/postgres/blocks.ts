/** Blocks that the states of a thread are made of (K4): stored once a thread, swept when no state needs them (K6). */
import type { NewBlock } from "../../domain/segments/split.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";

/** Blocks that replaced states may leave before their thread is swept; with more that are needed, as many more. */
const LOOSE_BLOCKS = 256;

/** Bytes of blocks that one statement takes. */
const BYTES_AT_ONCE = 16 * 1024 * 1024;

/** Stores blocks; those that the thread has already stay as they are. All of them are one value, which costs no quoting. */
export function putBlocks(tx: Transaction, tenant: string, threadId: string, blocks: readonly NewBlock[]): void {
  let some: NewBlock[] = [];
  let bytes = 0;
  const send = (): void => {
    if (some.length > 0) tx.run(insertBlocks(tenant, threadId, some));
    some = [];
    bytes = 0;
  };
  for (const block of blocks) {
    some.push(block);
    bytes += block.data.length;
    if (bytes >= BYTES_AT_ONCE) send();
  }
  send();
}

/**
 * Lists are unnested from arrays, whose length the server guesses to be small, so that it plans such a statement once.
 * @param condition what must have a row, or nothing is stored
 */
export function insertBlocks(tenant: string, threadId: string, blocks: readonly NewBlock[], condition?: Sql): Sql {
  const { ends, all } = joined(blocks.map(({ data }) => data));
  const names = Buffer.from(blocks.map(({ name }) => name).join(""), "hex");
  return sql`INSERT INTO @checkpoint_blocks (tenant, thread_id, name, children, data)
    SELECT ${tenant}, ${threadId}, substring(${names}::bytea FROM (n::int - 1) * 16 + 1 FOR 16), children::bytea[],
      substring(${all}::bytea FROM start FOR stop - start)
    FROM ${condition === undefined ? sql`` : sql`${condition},`} unnest(${[1, ...ends.slice(0, -1)]}::int[],
      ${ends}::int[], ${blocks.map(childrenText)}::text[]) WITH ORDINALITY AS block (start, stop, children, n)
    ON CONFLICT (tenant, thread_id, name) DO NOTHING`;
}

/**
 * As `insertBlocks`, of several threads.
 * @param blocks `n` says of which thread each is, a row of `thread (n, thread_id)`; what has no row there is not stored
 */
export function insertBlocksOf(tenant: string, blocks: readonly (NewBlock & { readonly n: number })[]): Sql {
  const { ends, all } = joined(blocks.map(({ data }) => data));
  const names = Buffer.from(blocks.map(({ name }) => name).join(""), "hex");
  return sql`INSERT INTO @checkpoint_blocks (tenant, thread_id, name, children, data)
    SELECT ${tenant}, thread.thread_id, substring(${names}::bytea FROM (i::int - 1) * 16 + 1 FOR 16), children::bytea[],
      substring(${all}::bytea FROM start FOR stop - start)
    FROM thread JOIN unnest(${blocks.map(({ n }) => n)}::int[], ${[1, ...ends.slice(0, -1)]}::int[], ${ends}::int[],
      ${blocks.map(childrenText)}::text[]) WITH ORDINALITY AS block (n, start, stop, children, i) ON block.n = thread.n
    ON CONFLICT (tenant, thread_id, name) DO NOTHING`;
}

/** The names below a node as the text of an array of bytes; `null` for a piece. */
function childrenText({ children }: NewBlock): string | null {
  return children.length === 0 ? null : `{${children.map((name) => `"\\\\x${name}"`).join(",")}}`;
}

/** Bytes one behind the other; `ends` are the positions behind each, counted from 1. */
function joined(parts: readonly Uint8Array[]): { readonly all: Uint8Array; readonly ends: number[] } {
  let end = 1;
  const ends = parts.map((part) => {
    end += part.length;
    return end;
  });
  return { all: Buffer.concat(parts), ends };
}

/**
 * Which of some names a thread has blocks of. The array is behind a SELECT, where the server does not look how long it is: a plan for a
 * few names seems cheaper to it than the one for all lists, and it would make one each time, which takes longer than the look-ups.
 */
export function selectNames(tenant: string, threadId: string, names: readonly string[]): Sql {
  const all = Buffer.from(names.join(""), "hex");
  return sql`SELECT b.name FROM unnest((SELECT ${names.map((_, i) => i)}::int[])) i, LATERAL (
      SELECT name FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${threadId}
        AND name = substring(${all}::bytea FROM i * 16 + 1 FOR 16) OFFSET 0) b`;
}

/** Copies all blocks of a thread to another one, which has none. */
export function copyBlocks(tx: Transaction, tenant: string, from: string, to: string): void {
  tx.run(sql`INSERT INTO @checkpoint_blocks (tenant, thread_id, name, children, data)
    SELECT tenant, ${to}, name, children, data FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${from}`);
}

/**
 * Deletes the blocks of a thread that no state needs: all of them (`"all"`), or only once there may be many (`"many"`), so that
 * replacing states costs no sweep each time. The thread is locked: no writer comes between the marks and the deletions. Where a
 * node is missing the tree below it is unknown, and all blocks stay: reading reports it, nothing more is lost.
 */
export function sweepLoose(
  tx: Transaction,
  tenant: string,
  thread: { readonly threadId: string; readonly looseBlocks: number; readonly keptBlocks: number },
  when: "all" | "many",
): void {
  if (thread.looseBlocks <= (when === "all" ? 0 : LOOSE_BLOCKS + thread.keptBlocks)) {
    tx.run(sql`UPDATE @threads SET loose_blocks = ${thread.looseBlocks}
      WHERE tenant = ${tenant} AND thread_id = ${thread.threadId} AND loose_blocks <> ${thread.looseBlocks}`);
    return;
  }
  const { threadId } = thread;
  tx.run(sql`WITH RECURSIVE tree (name) AS (
      SELECT root FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ${threadId} AND root IS NOT NULL
      UNION
      SELECT child FROM tree, LATERAL (SELECT children FROM @checkpoint_blocks WHERE tenant = ${tenant}
          AND thread_id = ${threadId} AND name = tree.name AND children IS NOT NULL OFFSET 0) b,
        unnest(b.children) AS below (child))
    DELETE FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${threadId}
      AND name NOT IN (SELECT name FROM tree)
      AND NOT EXISTS (SELECT 1 FROM tree WHERE NOT EXISTS (SELECT 1 FROM @checkpoint_blocks b
        WHERE b.tenant = ${tenant} AND b.thread_id = ${threadId} AND b.name = tree.name))`);
  tx.run(sql`UPDATE @threads SET loose_blocks = 0, kept_blocks = (
      SELECT count(*) FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${threadId})
    WHERE tenant = ${tenant} AND thread_id = ${threadId}`);
}
