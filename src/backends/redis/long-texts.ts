/**
 * Long texts: those of messages, writes, contexts and items. One is sent ahead in pieces, by commands that hold the server for a moment each, and
 * read in pieces. It is a key of its own, `v:<name>`; where it would stand there is a mark with its name, which no text of ours begins like.
 */
import { randomBytes } from "node:crypto";
import { CorruptionError, StorageConnectionError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import { endOfPiece } from "../../domain/text-pieces.js";
import type { Connection } from "./connection/connection.js";

/** Pieces of one way to the server and back. */
const PIECES_AT_ONCE = 4;

/** Pieces that no script has taken over are gone after this time, in milliseconds. */
const KEPT_MS = 60_000;

/** How often a script is sent again whose pieces are lost, and a state is read again of which a block is missing. */
const ATTEMPTS = 3;

const MARK = "\u0002";
/** Behind the mark: name, number of pieces, bytes. */
const MARKED = /^([0-9a-f]{32}) (\d+) \d+$/;

/**
 * Runs a script with texts, or with what stands for those that are long.
 * @param run `P` at the beginning of its reply says that pieces are not there
 */
export async function storeTexts<Reply extends readonly unknown[]>(
  connection: Connection,
  call: Call,
  texts: readonly string[],
  run: (texts: readonly string[]) => Promise<Reply>,
): Promise<Reply> {
  if (!texts.some((text) => isLong(connection, text))) return run(texts);
  for (let attempt = 1; ; attempt++) {
    const sent: string[] = [];
    for (const text of texts) sent.push(isLong(connection, text) ? await sendText(connection, call, text) : text);
    const reply = await run(sent);
    if (reply[0] !== "P") return reply;
    call.sent = false;
    if (attempt === ATTEMPTS) {
      throw new StorageConnectionError("the server has lost pieces of a long text before all of it was there");
    }
  }
}

export function isLong(connection: Connection, text: string): boolean {
  return text.length > connection.options.pieceLength;
}

async function sendText(connection: Connection, call: Call, text: string): Promise<string> {
  const { pieceLength } = connection.options;
  const name = randomBytes(16).toString("hex");
  const key = keyOf(connection, call, name);
  let pieces = 0;
  for (let at = 0; at < text.length; ) {
    const commands: [string, ...(string | number)[]][] = [];
    while (commands.length < PIECES_AT_ONCE && at < text.length) {
      const end = endOfPiece(text, at + pieceLength);
      pieces += 1;
      commands.push(["hset", key, pieces, text.slice(at, end)]);
      at = end;
    }
    await connection.plain(call, [...commands, ["pexpire", key, KEPT_MS]]);
  }
  return `${MARK}${name} ${pieces} ${Buffer.byteLength(text)}`;
}

/** Whether what is stored stands for a long text. */
export function isMark(stored: string): boolean {
  return stored.startsWith(MARK);
}

/** The text that is stored, or whose mark is. @throws CorruptionError when a piece is missing */
export function readText(connection: Connection, call: Call, stored: string): string | Promise<string> {
  return isMark(stored) ? readPieces(connection, call, stored) : stored;
}

/** What is stored, with the text of each in place of its mark. @throws CorruptionError when a piece is missing */
export function readTexts<Row>(
  connection: Connection,
  call: Call,
  rows: Row[],
  textOf: (row: Row, at: number) => string | null,
  withText: (row: Row, text: string) => Row,
): Row[] | Promise<Row[]> {
  return rows.some((row, at) => textOf(row, at)?.startsWith(MARK))
    ? readEach(connection, call, rows, textOf, withText)
    : rows;
}

async function readEach<Row>(
  connection: Connection,
  call: Call,
  rows: readonly Row[],
  textOf: (row: Row, at: number) => string | null,
  withText: (row: Row, text: string) => Row,
): Promise<Row[]> {
  const read: Row[] = [];
  for (const [at, row] of rows.entries()) {
    const stored = textOf(row, at);
    read.push(stored?.startsWith(MARK) ? withText(row, await readPieces(connection, call, stored)) : row);
  }
  return read;
}

async function readPieces(connection: Connection, call: Call, mark: string): Promise<string> {
  const [, name, count] = MARKED.exec(mark.slice(1)) ?? [];
  if (name === undefined) throw new CorruptionError("the mark of a long text is damaged");
  const key = keyOf(connection, call, name);
  const pieces: string[] = [];
  for (let first = 1; first <= Number(count); first += PIECES_AT_ONCE) {
    const last = Math.min(first + PIECES_AT_ONCE - 1, Number(count));
    const commands = Array.from({ length: last - first + 1 }, (_, i) => ["hget", key, first + i] as const);
    for (const piece of (await connection.plain(call, commands)) as (string | null)[]) {
      if (piece === null) throw new CorruptionError("a piece of a long text is missing", { cause: name });
      pieces.push(piece);
    }
  }
  return pieces.join("");
}

function keyOf(connection: Connection, call: Call, name: string): string {
  return `${connection.keyOf(call.tenant)}:v:${name}`;
}

/** What stands for a long text that is expected to be stored, if it is; the text itself where it is not, or is short. */
export async function markOf(
  connection: Connection,
  call: Call,
  expected: string,
  stored: () => Promise<string | null | undefined>,
): Promise<string> {
  if (!isLong(connection, expected)) return expected;
  const mark = await stored();
  if (!mark?.startsWith(MARK)) return expected;
  try {
    return (await readPieces(connection, call, mark)) === expected ? mark : expected;
  } catch (error) {
    // Replaced or deleted meanwhile: it is not what was expected.
    if (error instanceof CorruptionError) return expected;
    throw error;
  }
}

/** The name of a long text by its mark; `undefined` for another text. */
export function nameOfMark(stored: string): string | undefined {
  return isMark(stored) ? MARKED.exec(stored.slice(1))?.[1] : undefined;
}

/**
 * What comes in several calls may be replaced or removed between them: then it is read again. A long text that still stands there in the next attempt and
 * lacks a piece is damaged; another one each time is somebody who writes, and the call's deadline ends that.
 */
export async function whole<T>(read: () => Promise<T>): Promise<T> {
  let before: unknown;
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      const { cause } = error;
      if (cause === undefined ? attempt >= ATTEMPTS : cause === before) throw error;
      before = cause;
    }
  }
}
