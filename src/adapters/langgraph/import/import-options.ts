/** What an import can be told, and what it tells. */
import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { InvalidArgumentError } from "../../../contract/errors.js";
import type { WaystoneSaverOptions } from "../saver-options.js";
import type { FindingKind, ImportFinding } from "./findings.js";

export interface ImportLangGraphOptions {
  /** Only these threads. Default: all. */
  readonly threadIds?: readonly string[] | undefined;
  /** PostgreSQL, when the source is a URL: the schema of their tables. Default `public`. */
  readonly schema?: string | undefined;
  /** The serialiser that their saver was made with. Default: the official one's form, read without running its code. */
  readonly serde?: SerializerProtocol | undefined;
  /** Options of the `WaystoneSaver` that will read the threads, as far as they say how values are stored. */
  readonly saver?: Pick<WaystoneSaverOptions, "codecs" | "serde"> | undefined;
  /** Reads, decodes and counts; the storage is not touched. Default `false`. */
  readonly dryRun?: boolean | undefined;
  /** Loads every checkpoint of both sides afterwards and compares them. Default `true`; not with `dryRun`. */
  readonly verify?: boolean | undefined;
  /** Called for every record that is not simply taken over, when it is met. */
  readonly onFinding?: ((finding: ImportFinding) => void) | undefined;
  /** Called after every checkpoint. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  /** Stops between two records; what is stored by then stays, and the next import goes on there. */
  readonly signal?: AbortSignal | undefined;
}

export interface ImportProgress {
  readonly phase: "import" | "verify";
  /** Checkpoints of theirs that this phase has done. */
  readonly checkpoints: number;
  /** Checkpoints of theirs that there are. */
  readonly totalCheckpoints: number;
}

/** Counts of one kind of things. */
export interface ImportCounts {
  readonly checkpoints: number;
  readonly writes: number;
}

export interface ImportLangGraphReport {
  readonly source: "sqlite" | "postgres";
  readonly dryRun: boolean;
  /** Bytes that their database takes, indexes included. */
  readonly sourceBytes: number;
  readonly threads: number;
  /** What their database holds. */
  readonly read: ImportCounts;
  /** What was stored now; with `dryRun` what could be. */
  readonly imported: ImportCounts;
  /** What was in our store before, such as from an import that was stopped. */
  readonly present: ImportCounts;
  /** How often each kind of finding was met. */
  readonly findings: { readonly [Kind in FindingKind]: number };
  /** What the verification has compared; absent without one. */
  readonly verified?: ImportCounts;
}

/** @throws InvalidArgumentError */
export function checkImportOptions(options: ImportLangGraphOptions): void {
  const { threadIds } = options;
  if (threadIds === undefined) return;
  if (!Array.isArray(threadIds) || threadIds.length === 0 || threadIds.some((id) => typeof id !== "string")) {
    throw new InvalidArgumentError("threadIds must be a list of at least one thread id");
  }
}
