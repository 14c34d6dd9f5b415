/** Reads JSON Lines, one document a line, in constant memory. */
import { CommandFailure } from "./command-failure.js";

/** Bytes that one line may have: the largest value a store takes, escaped. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

const LINE_FEED = 0x0a;

/**
 * The documents of the lines; blank lines are passed over.
 *
 * @param name what the source is called in errors, which never quote it.
 * @throws CommandFailure `INVALID_DATA` with the number of the line
 */
export async function* jsonLines(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<unknown> {
  let number = 0;
  for await (const line of linesOf(chunks, name)) {
    number += 1;
    const document = parseLine(line, number, name);
    if (document !== undefined) yield document;
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let number = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const part = chunk.subarray(start, end);
      yield pending.length === 0 ? part : Buffer.concat([...pending, part]);
      number += 1;
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > MAX_LINE_BYTES) throw wrongLine(number, name, `longer than ${MAX_LINE_BYTES} bytes`);
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}

function parseLine(line: Buffer, number: number, name: string): unknown {
  let text: string;
  try {
    text = DECODER.decode(line).trim();
  } catch {
    throw wrongLine(number, name, "not UTF-8");
  }
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the line, and contents stay out of errors.
    throw wrongLine(number, name, "not JSON");
  }
}

const DECODER = new TextDecoder("utf-8", { fatal: true });

function wrongLine(number: number, name: string, what: string): CommandFailure {
  return new CommandFailure("INVALID_DATA", `line ${number} of ${name} is ${what}`, {
    hint: "records are JSON Lines as `waystone export` writes them; what came before may be stored: run it again with --on-conflict replace",
  });
}
