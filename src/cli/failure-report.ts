/** A failure as the command tells it: what happened, what to do next, and where it is described. */
import { isStorageError, type StorageError } from "../contract/errors.js";
import { CommandFailure, type CommandFailureCode } from "./command-failure.js";
import { EXIT, EXIT_OF_CODE } from "./exit-codes.js";
import { escapeBlock, escapeLine } from "./output/escape.js";
import { jsonText } from "./output/json.js";
import { maskCredentials } from "./output/mask.js";

export interface FailureReport {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** The page of the package that describes the code, with the anchor of its heading. */
  readonly docs: string;
  readonly exitCode: number;
}

/** What to do when the failure itself knows nothing better. */
const USUAL_HINTS: { readonly [Code in CommandFailureCode]: string } = {
  USAGE: "`--help` behind the command says what it takes",
  AMBIGUOUS_ID: "type more of the id",
  CONFIRMATION_NEEDED: "pass --yes",
  NOT_FOUND: "check the name; the `ls` commands list what there is",
  STORE_NOT_FOUND: "name the store with --url or WAYSTONE_URL",
  INVALID_DATA: "check that the file is complete",
  FILE_EXISTS: "pass --yes to replace it",
  NOT_ALLOWED: "check the permissions of the file and its folder",
  MISSING_PACKAGE: "install it beside waystone",
  FILE: "check the space and the permissions of the place that is written to",
};

/** What is told of an error of any kind. */
export function failureReport(error: unknown): FailureReport {
  if (error instanceof CommandFailure) {
    return {
      code: error.code,
      message: maskCredentials(error.message),
      hint: maskCredentials(error.hint ?? USUAL_HINTS[error.code]),
      docs: placeOf("cli", error.code),
      exitCode: EXIT_OF_CODE[error.code],
    };
  }
  if (isStorageError(error)) {
    return {
      code: error.code,
      message: maskCredentials(messageOf(error)),
      hint: hintFor(error),
      docs: placeOf("errors", error.code),
      exitCode: exitCodeOf(error),
    };
  }
  return {
    code: "UNEXPECTED",
    message: maskCredentials(error instanceof Error ? error.message : String(error)),
    hint: "this is a defect of waystone; WAYSTONE_DEBUG=1 shows where it happened",
    docs: placeOf("cli", "UNEXPECTED"),
    exitCode: EXIT.unexpected,
  };
}

/** The heading of a code on its page; its anchor is in lower case, as the sites that show the page make it. */
function placeOf(page: "cli" | "errors", code: string): string {
  return `docs/${page}.md#${code.toLowerCase()}`;
}

/** The text for stderr: one JSON document with `--json`, a few lines for people otherwise. */
export function failureText(report: FailureReport, json: boolean): string {
  const { code, message, hint, docs } = report;
  if (json) return jsonText({ error: { code, message, hint, docs } });
  return `waystone: ${escapeBlock(message)}\n  hint: ${escapeLine(hint)}\n  see:  ${docs}\n`;
}

/** The driver's own words say why a store could not be opened. */
function messageOf(error: StorageError): string {
  const { cause } = error;
  const tells = (error.code === "CONNECTION" || error.code === "CORRUPTION") && cause instanceof Error;
  return tells && !error.message.includes(cause.message) ? `${error.message} (${cause.message})` : error.message;
}

/** Records that cannot be imported are wrong data, not wrong usage. */
function exitCodeOf(error: StorageError): number {
  const aboutRecords = error.code === "INVALID_ARGUMENT" && error.operation === "importRecords";
  return aboutRecords ? EXIT.invalidData : EXIT_OF_CODE[error.code];
}

function hintFor(error: StorageError): string {
  switch (error.code) {
    case "SESSION_NOT_FOUND":
      return "`waystone sessions ls` lists the sessions of the tenant";
    case "SESSION_EXISTS":
      return "choose another id";
    case "CONFLICT":
      return error.operation === "importRecords"
        ? "`--on-conflict skip` keeps what is stored, `--on-conflict replace` replaces it"
        : "look at what is stored now, then decide again";
    case "FENCED":
      return "another owner holds the session or thread now";
    case "CONNECTION":
      return error.operation === "openLangGraph"
        ? "check the URL of the database to import, and that its server can be reached"
        : "`waystone health` looks at the store";
    case "TIMEOUT":
      return "give it more time with `--timeout 60s`";
    case "ABORTED":
      return "run it again";
    case "INVALID_ARGUMENT":
      return "`--help` behind the command says what it takes";
    case "SERIALIZATION":
      return "the value has to become plain data first";
    case "CORRUPTION":
      return error.operation === "openLangGraph"
        ? "SQLite's own tool can save what is left: sqlite3 broken.db .recover | sqlite3 saved.db"
        : "check that the URL names a store of waystone; if it does, restore a backup";
    case "UNSUPPORTED":
      return "this store or this version of waystone cannot do it";
    case "CLOSED":
      return "run it again";
  }
}
