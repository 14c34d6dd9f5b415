/** `waystone export`: records as JSON Lines, to stdout or into a file. */
import { createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { RecordKind, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { CommandFailure, fileFailure } from "../command-failure.js";
import { confirm } from "../confirm.js";
import type { Invocation } from "../invocation.js";
import { jsonText } from "../output/json.js";
import { type Progress, startProgress } from "../output/progress.js";
import { printThing } from "../output/thing.js";
import { count, size } from "../output/units.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export interface ExportCommandOptions {
  readonly session?: string;
  readonly thread?: string;
  readonly after?: number;
  readonly kind?: readonly RecordKind[];
  readonly output?: string;
}

/** Characters that are written at once. */
const CHUNK = 64 * 1024;

export async function exportRecords(
  invocation: Invocation,
  _args: readonly [],
  { session, thread, after, kind, output }: ExportCommandOptions,
): Promise<void> {
  const { signal } = invocation;
  if (output !== undefined && existsSync(output)) await confirmOverwriting(invocation, output);
  await withStore(invocation, async (storage) => {
    const found = session === undefined ? undefined : await findSession(storage, session, signal);
    const filter = { sessionId: found?.sessionId, threadId: thread, after, kinds: kind, signal };
    const records = storage.exportRecords(filter);
    const progress = await startProgress(invocation);
    const written = { records: 0, bytes: 0 };
    try {
      const chunks = chunksOf(records, progress, written);
      if (output === undefined) for await (const chunk of chunks) await invocation.print(chunk);
      else await writeFile(output, chunks);
    } finally {
      progress.end();
    }
    if (output !== undefined) await printWritten(invocation, output, written);
  });
}

async function confirmOverwriting(invocation: Invocation, output: string): Promise<void> {
  if (!invocation.yes && (!process.stdin.isTTY || !process.stderr.isTTY)) {
    throw new CommandFailure("FILE_EXISTS", `there is a file ${JSON.stringify(output)} already`, {
      hint: "pass --yes to replace it, or name another file",
    });
  }
  await confirm(invocation, [`replace the file ${output}`]);
}

async function* chunksOf(
  records: ReturnType<StorageBackend["exportRecords"]>,
  progress: Progress,
  written: { records: number; bytes: number },
): AsyncGenerator<string> {
  let chunk = "";
  for await (const record of records) {
    const line = jsonText(record satisfies StorageRecord);
    const bytes = Buffer.byteLength(line);
    written.records += 1;
    written.bytes += bytes;
    progress.add(bytes);
    chunk += line;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}

/** The file appears under its name when all of it is on the disk, so that no half export passes for a whole one. */
async function writeFile(output: string, chunks: AsyncIterable<string>): Promise<void> {
  const partial = `${output}.partial-${process.pid}`;
  try {
    const file = createWriteStream(partial, { flags: "wx", flush: true });
    if (output.endsWith(".gz")) await pipeline(chunks, createGzip(), file);
    else await pipeline(chunks, file);
    await rename(partial, output);
  } catch (error) {
    await rm(partial, { force: true });
    throw fileFailure(error, output);
  }
}

function printWritten(
  invocation: Invocation,
  file: string,
  { records, bytes }: { readonly records: number; readonly bytes: number },
): Promise<void> {
  const fields = [
    { name: "file", value: file },
    { name: "records", value: records, shown: count(records) },
    { name: "bytes", value: bytes, shown: size(bytes) },
  ];
  return printThing(invocation, fields, { file, records, bytes });
}
