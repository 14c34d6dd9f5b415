/** Exit codes: what a script decides by. */
import type { StorageErrorCode } from "../contract/errors.js";
import type { CommandFailureCode } from "./command-failure.js";

export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  invalidData: 4,
  conflict: 5,
  notAllowed: 6,
  unreachable: 7,
  checkFailed: 8,
  /** 128 + SIGINT */
  interrupted: 130,
  /** 128 + SIGTERM */
  terminated: 143,
} as const;

/** The exit code of each failure that has a code. */
export const EXIT_OF_CODE: { readonly [Code in StorageErrorCode | CommandFailureCode]: number } = {
  SESSION_NOT_FOUND: EXIT.notFound,
  SESSION_EXISTS: EXIT.conflict,
  CONFLICT: EXIT.conflict,
  FENCED: EXIT.conflict,
  CONNECTION: EXIT.unreachable,
  TIMEOUT: EXIT.unreachable,
  ABORTED: EXIT.unexpected,
  INVALID_ARGUMENT: EXIT.usage,
  SERIALIZATION: EXIT.invalidData,
  CORRUPTION: EXIT.invalidData,
  UNSUPPORTED: EXIT.notAllowed,
  CLOSED: EXIT.unexpected,

  USAGE: EXIT.usage,
  AMBIGUOUS_ID: EXIT.usage,
  CONFIRMATION_NEEDED: EXIT.usage,
  NOT_FOUND: EXIT.notFound,
  STORE_NOT_FOUND: EXIT.unreachable,
  INVALID_DATA: EXIT.invalidData,
  FILE_EXISTS: EXIT.conflict,
  NOT_ALLOWED: EXIT.notAllowed,
  MISSING_PACKAGE: EXIT.notAllowed,
  FILE: EXIT.unexpected,
};
