/** How commits reach the disk: the write-ahead log where this SQLite can be trusted with it, else the rollback journal. */
import { StorageConnectionError } from "../../../contract/errors.js";
import { isBusy } from "../errors.js";
import type { WaitingCall } from "./back-off.js";
import { untilFree } from "./back-off.js";
import type { Connection } from "./connection.js";

export type Journal = "wal" | "rollback";

/** What an acknowledged write survives: power loss, or only the end of the process. */
export type Durability = "crash" | "process";

/** The first SQLite without the WAL-reset bug: two connections that write and checkpoint at once could damage the file. */
export const WAL_RESET_FIXED = "3.51.3";

/** Longest wait for other connections that keep the file in another journal mode, in milliseconds. */
const MAX_SWITCH_WAIT_MS = 2_000;

/** Whether a SQLite build has the WAL-reset bug (3.7.0 to 3.51.2). A version that cannot be read is not trusted. */
export function hasWalResetBug(version: string): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  const fixed = WAL_RESET_FIXED.split(".").map(Number);
  if (parts === undefined) return true;
  const different = fixed.findIndex((part, i) => part !== parts[i]);
  return different !== -1 && (parts[different] as number) < (fixed[different] as number);
}

/**
 * Puts the file into the journal mode and returns the one in force: a file that others use in rollback mode stays in it.
 * @throws StorageConnectionError when others keep the file in WAL mode and this build must not use that
 */
export async function setJournal(connection: Connection, call: WaitingCall, wanted: Journal): Promise<Journal> {
  const mode = wanted === "wal" ? "wal" : "truncate";
  const end = performance.now() + Math.min(MAX_SWITCH_WAIT_MS, call.remainingMs() / 2);
  const patience: WaitingCall = {
    get cancelled() {
      return call.cancelled || performance.now() >= end;
    },
    remainingMs: () => end - performance.now(),
    cancellation: () => new StorageConnectionError("other connections keep the journal mode"),
  };
  try {
    await untilFree(patience, () => connection.pragma(`journal_mode = ${mode}`));
  } catch (error) {
    if (call.cancelled) throw call.cancellation();
    if (!(error instanceof StorageConnectionError) && !isBusy(error)) throw error;
  }
  const inForce = await untilFree(call, () => connection.pragma("journal_mode"));
  if (inForce === "wal" && wanted === "rollback") {
    throw new StorageConnectionError(
      `another process has the file open with a write-ahead log, which SQLite ${connection.version} must not share: ` +
        `close it, or use a Node.js whose SQLite is ${WAL_RESET_FIXED} or newer`,
    );
  }
  return inForce === "wal" ? "wal" : "rollback";
}

/** Asks for the durability; what is in force is read back by `durabilityInForce`. */
export function setDurability(connection: Connection, journal: Journal, durability: Durability): void {
  const crash = journal === "wal" ? "FULL" : "EXTRA";
  connection.pragma(`synchronous = ${durability === "crash" ? crash : "NORMAL"}`);
}

/** What SQLite says about when it syncs. */
export function durabilityInForce(connection: Connection): { level: Durability | "unknown"; synchronous: string } {
  const names = ["OFF", "NORMAL", "FULL", "EXTRA"];
  const value = Number(connection.pragma("synchronous"));
  const level = value >= 2 ? "crash" : value === 1 ? "process" : "unknown";
  return { level, synchronous: names[value] ?? String(value) };
}
