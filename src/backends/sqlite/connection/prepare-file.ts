/** The file before SQLite sees it: private to its owner, and with a clear refusal where SQLite would only say "cannot open". */
import { accessSync, closeSync, constants, mkdirSync, openSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { isError, StorageConnectionError } from "../../../contract/errors.js";

/**
 * Makes sure of a file that can be written to; new directories are made with mode 0700 and a new file with 0600, which SQLite
 * gives to the files beside it too.
 * @throws StorageConnectionError
 */
export function prepareFile(path: string): void {
  try {
    makeDirectory(dirname(path));
    // A file that is there is not opened: closing it would drop the locks that this process has on it.
    const kind = madeUnlessThere(path, () => closeSync(openSync(path, "wx", 0o600)));
    if (!kind.isFile()) {
      const reason = kind.isDirectory() ? "it is a directory" : "it is no ordinary file";
      throw new StorageConnectionError(`${path} cannot be opened: ${reason}`, { retryable: false });
    }
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** `mkdirSync` with `recursive` never comes back where a system has a directory and makes none below it, as /proc does. */
function makeDirectory(path: string): void {
  madeUnlessThere(path, () => {
    const parent = dirname(path);
    // A drive that is not there has none.
    if (parent !== path) makeDirectory(parent);
    mkdirSync(path, { mode: 0o700 });
  });
}

/** What is at `path`; another process may make it at the same time. Throws `ENOENT` of "stat" for a link that leads nowhere. */
function madeUnlessThere(path: string, make: () => void): Stats {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined) return there;
  try {
    make();
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  return statSync(path);
}

function codeOf(error: unknown): unknown {
  return isError(error) && "code" in error ? error.code : undefined;
}

function fileError(error: unknown, path: string): unknown {
  const fail = (reason: string, retryable = false): StorageConnectionError =>
    new StorageConnectionError(`${path} cannot be opened: ${reason}`, { retryable, cause: error });
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
      return fail("no permission to read and write it, or to create it in its directory");
    case "EROFS":
      return fail("its file system is read-only");
    case "ENOTDIR":
      return fail("a part of its path is no directory");
    case "ENOENT":
      return fail(
        (error as NodeJS.ErrnoException).syscall === "stat"
          ? "a link in its path leads nowhere"
          : "its directory is not there, and cannot be made",
      );
    case "ENOSPC":
    case "EDQUOT":
      return fail("the disk is full", true);
    case "EMFILE":
    case "ENFILE":
      return fail("too many files are open", true);
    case "ENAMETOOLONG":
      return fail("its name is too long");
    case "ELOOP":
      return fail("its path goes in a circle of links");
    case "EIO":
      return fail("the disk reported an error");
    default:
      return error;
  }
}
