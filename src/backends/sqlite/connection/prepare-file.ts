/** The file before SQLite sees it: private to its owner, and with a clear refusal where SQLite would only say "cannot open". */
import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StorageConnectionError } from "../../../contract/errors.js";

/**
 * Makes sure of a file that can be written to; new directories are made with mode 0700 and a new file with 0600, which SQLite
 * gives to the files beside it too.
 * @throws StorageConnectionError
 */
export function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw new StorageConnectionError(`${path} cannot be opened: it is a directory`, { retryable: false });
    }
    create(path);
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** A file that is there is not opened: closing it would drop the locks that this process has on it. */
function create(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function fileError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const fail = (reason: string, retryable: boolean): StorageConnectionError =>
    new StorageConnectionError(`${path} cannot be opened: ${reason}`, { retryable, cause: error });
  switch (code) {
    case "EACCES":
    case "EPERM":
      return fail("no permission to read and write it, or to create it in its directory", false);
    case "EROFS":
      return fail("its file system is read-only", false);
    case "ENOTDIR":
    case "EEXIST":
      return fail("a part of its path is no directory", false);
    case "ENOSPC":
    case "EDQUOT":
      return fail("the disk is full", true);
    case "EMFILE":
    case "ENFILE":
      return fail("too many files are open", true);
    case "ENAMETOOLONG":
      return fail("its name is too long", false);
    case "ELOOP":
      return fail("its path goes in a circle of links", false);
    case "EIO":
      return fail("the disk reported an error", false);
    default:
      return error;
  }
}
