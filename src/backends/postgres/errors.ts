/** PostgreSQL's errors to ours, by SQLSTATE. Messages are our own: the server's may quote what is stored. */
import {
  CorruptionError,
  isError,
  isStorageError,
  StorageConnectionError,
  type StorageErrorOptions,
  UnsupportedError,
} from "../../contract/errors.js";
import { distrusted, isConnectionFailure, isDistrusted, lostConnection } from "../../domain/connection-failures.js";
import type { Call } from "../../domain/driver/call.js";

/** States that this backend tells apart. */
const STATE = {
  uniqueViolation: "23505",
  serializationFailure: "40001",
  completionUnknown: "40003",
  deadlock: "40P01",
  inFailedTransaction: "25P02",
  readOnly: "25006",
  noSuchStatement: "26000",
  statementExists: "42P05",
  lacksRights: "42501",
  undefinedTable: "42P01",
  undefinedFunction: "42883",
  undefinedSetting: "42704",
  undefinedSchema: "3F000",
  undefinedColumn: "42703",
  undefinedObject: "42704",
  undefinedDatabase: "3D000",
  diskFull: "53100",
  outOfMemory: "53200",
  tooManyConnections: "53300",
  lockNotAvailable: "55P03",
  cancelled: "57014",
  adminShutdown: "57P01",
  crashShutdown: "57P02",
  cannotConnectNow: "57P03",
  dataCorrupted: "XX001",
  indexCorrupted: "XX002",
} as const;

/** The SQLSTATE of a server's error; `undefined` for what the server has not said. */
export function sqlState(error: unknown): string | undefined {
  if (!isError(error) || !("severity" in error) || !("code" in error)) return undefined;
  return typeof error.code === "string" && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** The server has taken the transaction back, and the same one may succeed at once. */
export function isRepeatable(error: unknown): boolean {
  const state = sqlState(error);
  return state === STATE.serializationFailure || state === STATE.deadlock || state === STATE.uniqueViolation;
}

/** The user may not do what was asked for. */
export function lacksRights(error: unknown): boolean {
  return sqlState(error) === STATE.lacksRights;
}

/** The error only says that an earlier one has failed the transaction. */
export function isAftermath(error: unknown): boolean {
  return sqlState(error) === STATE.inFailedTransaction;
}

/** The connection can be used again after this error: the server has answered, and goes on. */
export function isAnswer(error: unknown): boolean {
  return sqlState(error) !== undefined && (error as { readonly severity?: unknown }).severity === "ERROR";
}

/** The server does not let the user in: other hosts would not either. */
export function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && (state.startsWith("28") || state === STATE.undefinedDatabase);
}

/** The server takes no writes on this connection, and may be another one by now than it was. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === STATE.readOnly;
}

/** `pg` says so when all connections of a pool were in use for too long: the server is there, and nothing was sent. */
export function isPoolFull(error: unknown): boolean {
  return isError(error) && error.message.startsWith("timeout exceeded");
}

/** The error as ours; what is no error of PostgreSQL comes back as it is. */
export function mapPostgresError(error: unknown, call: Call): unknown {
  if (isStorageError(error)) return error;
  const state = sqlState(error);
  if (state === undefined) {
    if (isPoolFull(error)) {
      return new StorageConnectionError("all connections of the pool were in use for too long", { cause: error });
    }
    if (isDistrusted(error)) return distrusted(error);
    return withoutTls(error) ?? (isConnectionFailure(error, LOST) ? lostConnection(error, call) : error);
  }
  // Whatever else the server says, it has rolled back.
  const options: StorageErrorOptions = { cause: error, outcome: "not-applied" };
  const permanent = { ...options, retryable: false };
  switch (state) {
    case STATE.cancelled:
      if (call.cancelled || call.remainingMs() === 0) return call.cancellation();
      return new StorageConnectionError("the server has cancelled the statement", options);
    case STATE.readOnly:
      return new StorageConnectionError("the server is read-only: it is a standby, or was told to be", options);
    case STATE.lacksRights:
      return new StorageConnectionError("the database user lacks rights on the storage's schema", permanent);
    case STATE.undefinedTable:
    case STATE.undefinedSchema:
    case STATE.undefinedFunction:
    case STATE.undefinedColumn:
    case STATE.undefinedObject:
      return new StorageConnectionError("the storage's schema is not there, or not whole", permanent);
    case STATE.noSuchStatement:
    case STATE.statementExists:
      return new StorageConnectionError(
        "a pooler between does not keep prepared statements: open the storage with preparedStatements: false",
        permanent,
      );
    case STATE.undefinedSetting:
      return new StorageConnectionError(
        "the schema has got row-level security since the storage was opened: open it again",
        permanent,
      );
    case STATE.undefinedDatabase:
      return new StorageConnectionError("the database does not exist", permanent);
    case STATE.diskFull:
      return new StorageConnectionError("the disk of the server is full", options);
    case STATE.outOfMemory:
      return new StorageConnectionError("the server has no memory left", options);
    case STATE.tooManyConnections:
      return new StorageConnectionError("the server takes no more connections", options);
    case STATE.lockNotAvailable:
      return new StorageConnectionError("a lock was not to be had in time", options);
    case STATE.dataCorrupted:
    case STATE.indexCorrupted:
      return new CorruptionError("the server reports damaged data", options);
    case STATE.completionUnknown:
    case STATE.adminShutdown:
    case STATE.crashShutdown:
    case STATE.cannotConnectNow:
      return lostConnection(error, call);
    default:
      return mapByClass(error, state, call, options);
  }
}

function mapByClass(error: unknown, state: string, call: Call, options: StorageErrorOptions): unknown {
  switch (state.slice(0, 2)) {
    case "08":
      return lostConnection(error, call);
    case "28":
      return new StorageConnectionError("the server refuses the user or the password", {
        ...options,
        retryable: false,
      });
    case "40":
      return new StorageConnectionError("the server has taken the transaction back", options);
    case "53":
      return new StorageConnectionError("the server lacks resources", options);
    case "54":
      return new UnsupportedError("PostgreSQL cannot store a value of this size", options);
    case "57":
    case "58":
      return lostConnection(error, call);
    default:
      return error;
  }
}

/** Nothing was sent but the wish for TLS; it stays so until somebody changes a setting. */
function withoutTls(error: unknown): StorageConnectionError | undefined {
  if (!isError(error) || !error.message.startsWith("The server does not support SSL")) return undefined;
  return new StorageConnectionError("the server does not speak TLS", { cause: error, retryable: false });
}

/** What `pg` says in words alone. */
const LOST =
  /^(Connection terminated|timeout expired|Client has encountered a connection error|Client was closed|Cannot use a pool after)/;
