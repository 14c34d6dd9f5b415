/** `waystone import-langgraph`: the threads of LangGraph's own savers, stored as ours would have stored them. */
import { statSync } from "node:fs";
import type { ImportFinding, ImportLangGraphReport, LangGraphSource } from "../../adapters/langgraph/index.js";
import { quoteIdentifier } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { filePathOf } from "../../domain/file-url.js";
import { DEFAULT_URL, parseUrl } from "../../open.js";
import { CommandFailure, fileFailure } from "../command-failure.js";
import { EXIT } from "../exit-codes.js";
import type { Invocation } from "../invocation.js";
import { startStepProgress } from "../output/step-progress.js";
import { printChange } from "../output/thing.js";
import { count, counted, size } from "../output/units.js";
import { withStore } from "../store.js";

export interface ImportLangGraphCommandOptions {
  readonly thread?: readonly string[];
  readonly schema?: string;
  /** `false` with `--no-verify`. */
  readonly verify: boolean;
  readonly dryRun?: boolean;
}

type Adapter = typeof import("../../adapters/langgraph/index.js");

/** Findings that are told one by one; of any further one the count. */
const MOST_TOLD = 10_000;

export async function importFromLangGraph(
  invocation: Invocation,
  [theirs, ours]: readonly [string, string | undefined],
  { thread, schema, verify, dryRun = false }: ImportLangGraphCommandOptions,
): Promise<number> {
  if (ours !== undefined && invocation.url !== undefined) {
    throw new CommandFailure("USAGE", "the store is named twice: behind the database to import, and by --url");
  }
  const url = ours ?? invocation.url ?? process.env.WAYSTONE_URL ?? DEFAULT_URL;
  checkFiles(theirs, url);
  const { importLangGraph, openLangGraph } = await loadAdapter();
  const told: ImportFinding[] = [];
  const start = performance.now();
  // Theirs first: a wrong name must not leave a new store behind.
  const source = await openLangGraph(theirs, { schema });
  let outcome: Outcome;
  try {
    await checkThreads(source, thread ?? []);
    outcome = await withStore(
      { ...invocation, url },
      (storage) =>
        run(invocation, importLangGraph, source, storage, {
          threadIds: thread,
          dryRun,
          verify,
          onFinding: (finding) => {
            if (told.length < MOST_TOLD) told.push(finding);
          },
        }),
      { create: true, initialize: !dryRun },
    );
  } finally {
    await source.close();
  }
  const elapsedMs = Math.round(performance.now() - start);
  await printOutcome(invocation, outcome, told, elapsedMs);
  return exitCodeOf(outcome.report);
}

interface Outcome {
  readonly report: ImportLangGraphReport;
  /** Bytes of the whole store, before and after; absent where it cannot tell, and with `--dry-run`. */
  readonly storeBytesBefore?: number | undefined;
  readonly storeBytes?: number | undefined;
}

async function run(
  invocation: Invocation,
  importLangGraph: Adapter["importLangGraph"],
  source: LangGraphSource,
  storage: StorageBackend,
  options: NonNullable<Parameters<Adapter["importLangGraph"]>[2]>,
): Promise<Outcome> {
  const { signal } = invocation;
  const bytes = async (): Promise<number | undefined> =>
    options.dryRun === true ? undefined : (await storage.getMetrics({ signal })).sizeBytes?.value;
  const storeBytesBefore = await bytes();
  const progress = await startStepProgress(invocation, "checkpoints");
  try {
    const report = await importLangGraph(source, storage, {
      ...options,
      signal,
      onProgress: ({ phase, checkpoints, totalCheckpoints }) => progress.at(phase, checkpoints, totalCheckpoints),
    });
    return { report, storeBytesBefore, storeBytes: await bytes() };
  } catch (error) {
    if (options.dryRun !== true) invocation.note("what is stored stays: run the command again and it goes on");
    throw error;
  } finally {
    progress.end();
  }
}

async function loadAdapter(): Promise<Adapter> {
  try {
    return await import("../../adapters/langgraph/index.js");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new CommandFailure("MISSING_PACKAGE", "LangGraph's own packages are not installed beside waystone", {
      hint: "npm install @langchain/core @langchain/langgraph-checkpoint, and pg to read PostgreSQL",
      cause: error,
    });
  }
}

/** Names that are wrong at sight: a file that is not there, or one file on both sides. */
function checkFiles(theirs: string, ours: string): void {
  const theirFile = fileOf(theirs);
  if (theirFile === undefined) return;
  let found: { readonly dev: number; readonly ino: number; isDirectory(): boolean };
  try {
    found = statSync(theirFile);
  } catch (error) {
    throw fileFailure(error, theirFile);
  }
  if (found.isDirectory()) throw new CommandFailure("USAGE", `${JSON.stringify(theirFile)} is a folder`);
  const ourFile = fileOf(ours);
  const same = ourFile === undefined ? undefined : statSync(ourFile, { throwIfNoEntry: false });
  if (same === undefined || same.dev !== found.dev || same.ino !== found.ino) return;
  throw new CommandFailure("USAGE", "the database to import and the store are the same file", {
    hint: "name another file for the store; theirs is only read",
  });
}

async function checkThreads(source: LangGraphSource, threads: readonly string[]): Promise<void> {
  for (const thread of threads) {
    if (await source.hasThread(thread)) continue;
    throw new CommandFailure("NOT_FOUND", `the database to import has no thread ${quoteIdentifier(thread)}`);
  }
}

function fileOf(url: string): string | undefined {
  const { scheme, path } = parseUrl(url);
  return scheme === "sqlite" ? filePathOf(path) : undefined;
}

function printOutcome(
  invocation: Invocation,
  { report, storeBytesBefore, storeBytes }: Outcome,
  told: readonly ImportFinding[],
  elapsedMs: number,
): Promise<void> {
  const { dryRun, source, sourceBytes, threads, read, imported, present, findings, verified } = report;
  const all = imported.checkpoints + imported.writes;
  for (const finding of told) invocation.note(lineOf(finding));
  const met = Object.values(findings).reduce((sum, each) => sum + each, 0);
  if (met > told.length) invocation.note(`… and ${count(met - told.length)} more`);
  return printChange(
    invocation,
    {
      changed: dryRun ? 0 : all,
      ...(dryRun ? { planned: all } : {}),
      source,
      threads,
      readCheckpoints: read.checkpoints,
      readWrites: read.writes,
      importedCheckpoints: dryRun ? 0 : imported.checkpoints,
      importedWrites: dryRun ? 0 : imported.writes,
      presentCheckpoints: present.checkpoints,
      presentWrites: present.writes,
      ...(verified && { verifiedCheckpoints: verified.checkpoints, verifiedWrites: verified.writes }),
      sourceBytes,
      ...(storeBytesBefore !== undefined && { storeBytesBefore }),
      ...(storeBytes !== undefined && { storeBytes }),
      elapsedMs,
      found: met,
      findings,
      items: told,
    },
    sentence(report, storeBytes, met),
  );
}

function lineOf({ kind, threadId, namespace, checkpointId, part, reason }: ImportFinding): string {
  const place = namespace === "" ? checkpointId : `${checkpointId} (${namespace})`;
  return `${kind}: thread ${threadId}, checkpoint ${place}, ${part}: ${reason}`;
}

function sentence(report: ImportLangGraphReport, storeBytes: number | undefined, met: number): string {
  const { dryRun, imported, present, threads, sourceBytes, verified } = report;
  const what = `${counted(imported.checkpoints, "checkpoint")} and ${counted(imported.writes, "write")}`;
  const before = present.checkpoints > 0 ? `; ${count(present.checkpoints)} were there before` : "";
  const bytes =
    storeBytes === undefined ? size(sourceBytes) : `${size(sourceBytes)}, the store is now ${size(storeBytes)}`;
  const compared = verified === undefined ? "" : `; compared ${counted(verified.checkpoints, "checkpoint")}`;
  const found = met === 0 ? "" : `; ${counted(met, "finding")}`;
  return `${dryRun ? "would import" : "imported"} ${what} of ${counted(threads, "thread")} (${bytes})${before}${compared}${found}`;
}

/** A difference is a failed check; any other finding is about wrong data. */
function exitCodeOf({ findings }: ImportLangGraphReport): number {
  const { difference, ...others } = findings;
  if (difference > 0) return EXIT.checkFailed;
  return Object.values(others).some((each) => each > 0) ? EXIT.invalidData : EXIT.ok;
}
