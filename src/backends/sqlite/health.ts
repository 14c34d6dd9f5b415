/** What the health check of the SQLite backend looks at: settings are read from SQLite, not from the options. */
import { statSync } from "node:fs";
import type { HealthCheck } from "../../contract/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import type { DriverHealth } from "../../domain/driver/storage-driver.js";
import type { Connection } from "./connection/connection.js";
import { durabilityInForce, hasWalResetBug, WAL_RESET_FIXED } from "./connection/journal.js";
import { SCHEMA_VERSION } from "./schema/migrate.js";
import type { OpenFile } from "./store.js";

export async function checkHealth(file: OpenFile, call: Call): Promise<DriverHealth> {
  const { path } = file.options;
  const size = await file.read(call, sizeOf);
  const { level, synchronous } = file.inspect(durabilityInForce);
  const durability = file.syncsOutside ? "crash" : level;
  const version = file.inspect((connection) => connection.version);
  const { broken, log, maintenance } = file.problems;
  const problem = (name: string, message: string | undefined): HealthCheck[] =>
    message === undefined ? [] : [{ name, status: "warning", message }];
  return {
    durability,
    checks: [
      { name: "library", status: "ok", message: `SQLite ${version}` },
      { name: "schema", status: "ok", message: `schema version ${size.schemaVersion} of ${SCHEMA_VERSION}` },
      journalCheck(file, version),
      {
        name: "durability",
        status: durability === "unknown" ? "warning" : "ok",
        message:
          `synchronous = ${synchronous}${file.syncsOutside ? ", and the log is synced after each commit" : ""}: ` +
          `an acknowledged write survives ${survives(durability)}`,
      },
      fileCheck(path, size),
      {
        name: "writes",
        status: broken === undefined ? "ok" : "error",
        message: broken ?? "no commit has failed",
      },
      ...problem("log", log && `copying the write-ahead log into the file failed: ${log}`),
      ...problem("maintenance", maintenance && `sweeping what was deleted failed: ${maintenance}`),
    ],
  };
}

function survives(level: string): string {
  if (level === "crash") return "power loss";
  return level === "process" ? "the end of the process, not power loss" : "nothing for certain";
}

function journalCheck(file: OpenFile, version: string): HealthCheck {
  if (file.journal === "wal") return { name: "journal", status: "ok", message: "write-ahead log" };
  if (!hasWalResetBug(version)) return { name: "journal", status: "ok", message: "rollback journal" };
  return {
    name: "journal",
    status: "warning",
    message:
      `rollback journal, which is slower: the write-ahead log of SQLite ${version} has the WAL-reset bug, ` +
      `fixed in ${WAL_RESET_FIXED}; use a newer Node.js`,
  };
}

interface Size {
  readonly schemaVersion: number;
  readonly pageSize: number;
  readonly pages: number;
  readonly freePages: number;
}

function sizeOf(db: Connection): Size {
  return {
    schemaVersion: Number(db.pragma("user_version")),
    pageSize: Number(db.pragma("page_size")),
    pages: Number(db.pragma("page_count")),
    freePages: Number(db.pragma("freelist_count")),
  };
}

function fileCheck(path: string, { pageSize, pages, freePages }: Size): HealthCheck {
  const onDisk = statSync(path, { throwIfNoEntry: false });
  if (onDisk === undefined) {
    return { name: "file", status: "error", message: `${path} was removed while it is open` };
  }
  return {
    name: "file",
    status: "ok",
    message: `${path}: ${pages * pageSize} bytes, ${freePages * pageSize} of them free`,
  };
}
