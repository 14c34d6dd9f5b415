/** `waystone import`: stores the records of a JSON Lines file, or of stdin. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { ImportOptions, ImportReport, StorageRecord } from "../../contract/records.js";
import { CommandFailure, fileFailure } from "../command-failure.js";
import type { Invocation } from "../invocation.js";
import { jsonLines } from "../json-lines.js";
import { type Progress, startProgress } from "../output/progress.js";
import { printChange } from "../output/thing.js";
import { count, counted } from "../output/units.js";
import { withStore } from "../store.js";

export interface ImportCommandOptions {
  readonly onConflict: NonNullable<ImportOptions["onConflict"]>;
}

/** A file named on the command line, or stdin. */
interface Source {
  readonly name: string;
  readonly stream: Readable;
  readonly gzipped: boolean;
  /** Bytes as they lie in the file; absent for stdin. */
  readonly totalBytes?: number;
}

export async function importRecords(
  invocation: Invocation,
  [file]: readonly [string | undefined],
  { onConflict }: ImportCommandOptions,
): Promise<void> {
  // Before the store is opened: a wrong name must not leave a new store behind.
  const source = file === undefined || file === "-" ? standardInput() : await openFile(file);
  const progress = await startProgress(invocation, { totalBytes: source.totalBytes });
  let report: ImportReport;
  try {
    report = await withStore(
      invocation,
      (storage) =>
        readRecords(source, progress, (records) =>
          storage.importRecords(records, { onConflict, signal: invocation.signal }),
        ),
      { create: true },
    );
  } finally {
    source.stream.destroy();
    progress.end();
  }
  const changed = Object.values(report.imported).reduce((sum, each) => sum + each, 0);
  await printChange(invocation, { changed, ...report }, sentence(changed, report));
}

function standardInput(): Source {
  if (process.stdin.isTTY) {
    throw new CommandFailure("USAGE", "there is nothing to import", {
      hint: "name a file, or pipe records in: waystone export | waystone import --url sqlite:./copy.db",
    });
  }
  return { name: "stdin", stream: process.stdin, gzipped: false };
}

async function openFile(file: string): Promise<Source> {
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) throw new CommandFailure("USAGE", `${JSON.stringify(file)} is a folder`);
    const stream = createReadStream(file);
    await new Promise((resolve, reject) => {
      stream.once("open", resolve);
      stream.once("error", reject);
    });
    return { name: file, stream, gzipped: file.endsWith(".gz"), totalBytes: stats.size };
  } catch (error) {
    throw fileFailure(error, file);
  }
}

async function readRecords(
  { name, stream, gzipped }: Source,
  progress: Progress,
  store: (records: AsyncIterable<StorageRecord>) => Promise<ImportReport>,
): Promise<ImportReport> {
  let report: ImportReport | undefined;
  // Progress is told in bytes of the file, also of a compressed one.
  let bytesRead = 0;
  let bytesTold = 0;
  async function* counting(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      bytesRead += chunk.length;
      yield chunk;
    }
  }
  async function* told(chunks: AsyncIterable<Buffer>): AsyncGenerator<StorageRecord> {
    for await (const record of jsonLines(chunks, name)) {
      progress.add(bytesRead - bytesTold);
      bytesTold = bytesRead;
      // Its shape is for the storage to check.
      yield record as StorageRecord;
    }
  }
  const sink = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    report = await store(told(chunks));
  };
  try {
    if (gzipped) await pipeline(stream, counting, createGunzip(), sink);
    else await pipeline(stream, counting, sink);
  } catch (error) {
    throw readFailure(error, name);
  }
  return report as ImportReport;
}

function readFailure(error: unknown, name: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!code.startsWith("Z_")) return error;
  return new CommandFailure("INVALID_DATA", `${name} is not a whole gzip file`, { cause: error });
}

function sentence(changed: number, { imported, skipped, replaced }: ImportReport): string {
  const kinds = Object.entries(imported)
    .filter(([, each]) => each > 0)
    .map(([kind, each]) => `${count(each)} ${kind}`);
  const details = [...kinds, ...(skipped > 0 ? [`${count(skipped)} skipped`] : [])];
  const rest = replaced > 0 ? `; replaced ${counted(replaced, "subject")}` : "";
  return `imported ${counted(changed, "record")}${details.length === 0 ? "" : ` (${details.join(", ")})`}${rest}`;
}
