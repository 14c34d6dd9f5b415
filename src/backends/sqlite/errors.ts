/** SQLite's errors to ours. */
import {
  CorruptionError,
  isError,
  isStorageError,
  StorageConnectionError,
  UnsupportedError,
} from "../../contract/errors.js";

/** Primary result codes of SQLite that this backend tells apart. */
const CODE = {
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  NOMEM: 7,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  TOOBIG: 18,
  CONSTRAINT: 19,
  AUTH: 23,
  NOTADB: 26,
} as const;

/** The primary result code, `undefined` for what is no error of SQLite. */
export function sqliteCode(error: unknown): number | undefined {
  const code = isError(error) && "errcode" in error ? error.errcode : undefined;
  return typeof code === "number" ? code & 0xff : undefined;
}

/** Another connection has the lock: trying again later may succeed. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === CODE.BUSY || code === CODE.LOCKED || code === CODE.PROTOCOL;
}

/** A row with this key is already there. */
export function isDuplicate(error: unknown): boolean {
  return sqliteCode(error) === CODE.CONSTRAINT;
}

/** The operating system failed to read, write or sync: what reached the disk is not known. */
export function isInputOutputError(error: unknown): boolean {
  return sqliteCode(error) === CODE.IOERR;
}

/**
 * The error as ours, `not-applied` unless the caller says otherwise; what is no error of SQLite comes back as it is. A path
 * is named so that a person can act.
 */
export function mapSqliteError(
  error: unknown,
  path: string,
  outcome: "not-applied" | "unknown" = "not-applied",
): unknown {
  if (isStorageError(error)) return error;
  const options = { cause: error, outcome };
  switch (sqliteCode(error)) {
    case CODE.FULL:
      return new StorageConnectionError(
        `the disk of ${path} is full, or the file has reached its largest size`,
        options,
      );
    case CODE.READONLY:
    case CODE.PERM:
    case CODE.AUTH:
      return new StorageConnectionError(`${path} cannot be written to: the file or its directory is read-only`, {
        ...options,
        retryable: false,
      });
    case CODE.CANTOPEN:
      return new StorageConnectionError(
        `${path} cannot be opened: check that the directory is there and may be written to`,
        {
          ...options,
          retryable: false,
        },
      );
    case CODE.IOERR:
      return new StorageConnectionError(`the disk of ${path} reported an error`, { ...options, retryable: false });
    case CODE.NOTADB:
      return new CorruptionError(`${path} is not a SQLite database`, options);
    case CODE.CORRUPT:
      return new CorruptionError(`${path} is damaged: restore it from a backup`, options);
    case CODE.TOOBIG:
      return new UnsupportedError("SQLite cannot store a value of this size", options);
    case CODE.NOMEM:
      return new StorageConnectionError("SQLite has no memory left", options);
    case CODE.BUSY:
    case CODE.LOCKED:
    case CODE.PROTOCOL:
      return new StorageConnectionError(`${path} is locked by another connection`, options);
    default:
      return error;
  }
}
