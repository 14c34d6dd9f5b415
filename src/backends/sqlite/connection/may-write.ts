/** A build with the WAL-reset bug looks before each transaction whether another process has turned the log on. */
import { UnsupportedError } from "../../../contract/errors.js";
import type { Connection } from "./connection.js";
import { hasWalResetBug, type Journal } from "./journal.js";

/** What is to run at the start of every transaction that writes; it throws when this process must not. */
export function mayWriteWith(connection: Connection, journal: Journal): (tx: Connection) => void {
  if (journal === "wal" || !hasWalResetBug(connection.version)) return () => undefined;
  return (tx) => {
    if (tx.pragma("journal_mode") !== "wal") return;
    throw new UnsupportedError(
      `another process has turned the write-ahead log on, which SQLite ${tx.version} must not share: use a newer Node.js`,
    );
  };
}
