/** The way in from the official savers: their threads, stored as `WaystoneSaver` would have stored them. */
import type { CheckpointStorage } from "../../../contract/checkpoint-storage.js";
import { InvalidArgumentError, quoteIdentifier } from "../../../contract/errors.js";
import { checkImportOptions, type ImportLangGraphOptions, type ImportLangGraphReport } from "./import-options.js";
import { ImportRun } from "./import-run.js";
import { openLangGraph } from "./open-source.js";
import type { LangGraphSource } from "./source.js";
import { storeThread } from "./store-thread.js";
import { verifyThread } from "./verify-thread.js";

/** Threads that are worked on at once: while one waits for the disk, another is read. */
const AT_ONCE = 4;

/**
 * Reads the tables of the official SqliteSaver or PostgresSaver, and stores their threads with checkpoints, writes, parents, metadata
 * and namespaces, so that a `WaystoneSaver` over the storage goes on with each.
 *
 * - `source` is `sqlite:./checkpoints.db`, `postgres://…`, or what `openLangGraph` gave, which stays the caller's to close.
 * - Their database is only read, in the state it had when it was opened.
 * - A checkpoint that is there already stays as it is, so an import that was stopped goes on when it is run again.
 * - A record that cannot be taken over is told to `onFinding` and counted; the others are stored.
 * - Memory is that of a few checkpoints, not of the database.
 * @throws InvalidArgumentError, UnsupportedError, StorageConnectionError when theirs cannot be read, before anything is written;
 *   AbortedError; what the storage throws
 */
export async function importLangGraph(
  source: string | LangGraphSource,
  storage: CheckpointStorage,
  options: ImportLangGraphOptions = {},
): Promise<ImportLangGraphReport> {
  checkImportOptions(options);
  if (typeof source !== "string") return await importFrom(source, storage, options);
  const opened = await openLangGraph(source, { schema: options.schema });
  try {
    return await importFrom(opened, storage, options);
  } finally {
    await opened.close();
  }
}

async function importFrom(
  source: LangGraphSource,
  storage: CheckpointStorage,
  options: ImportLangGraphOptions,
): Promise<ImportLangGraphReport> {
  const { dryRun = false, verify = true } = options;
  const threadIds = options.threadIds && [...new Set(options.threadIds)];
  for (const id of threadIds ?? []) {
    if (await source.hasThread(id)) continue;
    throw new InvalidArgumentError(`the database to import has no thread ${quoteIdentifier(id)}`);
  }
  const run = new ImportRun(source, storage, options);
  const { bytes, checkpoints: totalCheckpoints } = await source.measure(threadIds);
  const eachThread = async (phase: "import" | "verify", work: typeof storeThread): Promise<void> => {
    let checkpoints = 0;
    const done = (): void => {
      checkpoints += 1;
      options.onProgress?.({ phase, checkpoints, totalCheckpoints });
    };
    await inParallel(threadIds ?? source.threadIds(), (threadId) => {
      if (phase === "import") run.counts.threads += 1;
      return work(run, threadId, done);
    });
  };
  await eachThread("import", storeThread);
  const verifies = verify && !dryRun;
  if (verifies) await eachThread("verify", verifyThread);
  const { verified, ...counts } = run.counts;
  return {
    source: source.kind,
    dryRun,
    sourceBytes: bytes,
    ...counts,
    findings: run.findings,
    ...(verifies ? { verified } : {}),
  };
}

/** Works on a few at once; the first failure ends all when what they are at is done. */
async function inParallel<T>(items: Iterable<T> | AsyncIterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const shared = queueOf(items);
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = await shared.next();
      if (next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function* queueOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* items;
}
