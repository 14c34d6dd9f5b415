/** Export and import of records, in constant memory (P1). */
import { InvalidArgumentError, UnsupportedError } from "../../contract/errors.js";
import type { ExportFilter, ImportOptions, ImportReport, RecordKind, StorageRecord } from "../../contract/records.js";
import { integer, knownFields, oneOf } from "../arguments.js";
import { signalOption } from "../call-options.js";
import type { GroupVerdict, ImportBatch } from "../driver/imports.js";
import type { StorageDriver } from "../driver/storage-driver.js";
import { identifier, kindOf } from "../identifiers.js";
import { listOf, MAX_IDENTIFIERS } from "../lists.js";
import { abortable } from "../records/abortable.js";
import { RECORD_KINDS } from "../records/parse-record.js";
import type { RecordGroup } from "../records/record-batches.js";
import { recordBatches } from "../records/record-batches.js";
import type { OpenStream, RunCall } from "./run-call.js";
import { asStorageError } from "./run-call.js";

/** The verbs of the record stream. */
export interface RecordVerbs {
  exportRecords(filter?: ExportFilter): AsyncIterable<StorageRecord>;
  importRecords(
    records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>,
    options?: ImportOptions,
  ): Promise<ImportReport>;
}

export function recordVerbs(
  run: RunCall,
  openStream: OpenStream,
  driver: StorageDriver,
): RecordVerbs & { [name: string]: (...args: never[]) => unknown } {
  return {
    exportRecords: (filter?: ExportFilter) => exported(openStream, driver, parseExportFilter(filter)),

    importRecords: async (
      records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>,
      options?: ImportOptions,
    ): Promise<ImportReport> => {
      const source = iterable(records);
      const { onConflict = "error", ...rest } = knownFields(options ?? {}, "options", ["onConflict", "signal"]);
      const rule = oneOf(onConflict, "onConflict", ["error", "skip", "replace", "extend"]);
      const signal = signalOption(rest.signal);
      const tally = new Tally();
      // Opens the store before the first record is read, so that a store that cannot be reached costs no record.
      await run("importRecords", { signal }, async () => undefined);
      let last: GroupVerdict | null = null;
      for await (const groups of recordBatches(signal === undefined ? source : abortable(source, signal))) {
        assertSupported(driver, groups);
        const continued: GroupVerdict | null = last;
        const batch: ImportBatch = {
          onConflict: rule,
          groups: groups.map(({ subject, continues, firstRecord, rows }) => ({
            subject,
            continued: continues ? continued : null,
            firstRecord,
            rows,
          })),
        };
        const verdicts: GroupVerdict[] = await run("importRecords", { signal }, (call) =>
          driver.importBatch(call, batch),
        );
        groups.forEach((group, i) => {
          tally.add(group, verdicts[i] as GroupVerdict);
        });
        last = verdicts.at(-1) ?? null;
      }
      return tally.report();
    },
  };
}

/** Vectors are never left out unnoticed (F6). */
function assertSupported(driver: StorageDriver, groups: readonly RecordGroup[]): void {
  if (driver.searchNearest !== undefined) return;
  if (groups.some(({ rows }) => rows.some((row) => row.kind === "item" && row.vectors !== null))) {
    throw new UnsupportedError("this store keeps no vectors, and the records have some");
  }
}

async function* exported(
  openStream: OpenStream,
  driver: StorageDriver,
  filter: ExportFilter,
): AsyncGenerator<StorageRecord> {
  const { call, end } = await openStream("exportRecords", filter.signal);
  try {
    for await (const record of driver.exportRecords(call, filter)) {
      if (call.cancelled) throw call.cancellation();
      yield record;
    }
  } catch (error) {
    throw asStorageError(error, { driver }, call);
  } finally {
    end();
  }
}

/** @throws InvalidArgumentError */
function parseExportFilter(filter: ExportFilter | undefined): ExportFilter {
  const known = knownFields(filter ?? {}, "filter", ["sessionId", "threadId", "kinds", "after", "signal"]);
  if (known.sessionId !== undefined && known.threadId !== undefined) {
    throw new InvalidArgumentError("filter must have at most one of sessionId and threadId");
  }
  if (known.after !== undefined && known.sessionId === undefined && known.threadId === undefined) {
    throw new InvalidArgumentError("filter.after needs a sessionId or threadId");
  }
  const kinds =
    known.kinds === undefined
      ? undefined
      : [
          ...new Set(
            listOf(known.kinds, "filter.kinds", MAX_IDENTIFIERS).map((kind) =>
              oneOf(kind, "filter.kinds", RECORD_KINDS),
            ),
          ),
        ];
  const isTailOfSession = known.after !== undefined && known.sessionId !== undefined;
  return {
    after: known.after === undefined ? undefined : integer(known.after, "filter.after", { min: 0 }),
    sessionId: known.sessionId === undefined ? undefined : identifier(known.sessionId, "filter.sessionId"),
    threadId: known.threadId === undefined ? undefined : identifier(known.threadId, "filter.threadId"),
    kinds: isTailOfSession ? CONVERSATION_KINDS.filter((kind) => kinds?.includes(kind) ?? true) : kinds,
    signal: signalOption(known.signal),
  };
}

/** What an export of later messages has. */
const CONVERSATION_KINDS = ["session", "message"] as const satisfies readonly RecordKind[];

function iterable(records: unknown): AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof records === "object" && records !== null) {
    if (Symbol.asyncIterator in records) return records as AsyncIterable<unknown>;
    if (Symbol.iterator in records) return records as Iterable<unknown>;
  }
  throw new InvalidArgumentError(`records must be an iterable of records, not ${kindOf(records)}`);
}

/** What became of the records so far. */
class Tally {
  readonly #imported: { [Kind in RecordKind]: number } = {
    session: 0,
    message: 0,
    task_context: 0,
    thread: 0,
    checkpoint: 0,
    write: 0,
    item: 0,
  };
  #skipped = 0;
  #replaced = 0;

  add({ continues, rows }: RecordGroup, verdict: GroupVerdict): void {
    if (verdict === "skipped") {
      this.#skipped += rows.length;
      return;
    }
    if (verdict === "replaced" && !continues) this.#replaced += 1;
    for (const row of rows) this.#imported[row.kind] += 1;
  }

  report(): ImportReport {
    return { imported: { ...this.#imported }, skipped: this.#skipped, replaced: this.#replaced };
  }
}
