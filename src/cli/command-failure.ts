/** Failures of the command itself. What a storage refuses keeps the storage's own error. */

/** The codes of these failures; each has a heading of the same name in `docs/cli.md`. */
export type CommandFailureCode =
  | "USAGE"
  | "AMBIGUOUS_ID"
  | "CONFIRMATION_NEEDED"
  | "NOT_FOUND"
  | "STORE_NOT_FOUND"
  | "INVALID_DATA"
  | "FILE_EXISTS"
  | "NOT_ALLOWED"
  | "MISSING_PACKAGE"
  | "FILE";

export interface CommandFailureOptions {
  /** What to do next, in one line. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Something that the command cannot do, with what to do instead. */
export class CommandFailure extends Error {
  readonly code: CommandFailureCode;
  readonly hint: string | undefined;

  constructor(code: CommandFailureCode, message: string, options: CommandFailureOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "CommandFailure";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The failure of a file that was named on the command line. */
export function fileFailure(error: unknown, file: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const name = JSON.stringify(file);
  switch (code) {
    case "ENOENT":
      return new CommandFailure("NOT_FOUND", `there is no file ${name}`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new CommandFailure("NOT_ALLOWED", `the file ${name} may not be opened`, { cause: error });
    case "EISDIR":
      return new CommandFailure("USAGE", `${name} is a folder`, { cause: error });
    case "ENOTDIR":
      return new CommandFailure("NOT_FOUND", `a part of the path ${name} is not a folder`, { cause: error });
    case "ENOSPC":
    case "EDQUOT":
      return new CommandFailure("FILE", `there is no space left for ${name}`, { cause: error });
    default:
      return error;
  }
}
