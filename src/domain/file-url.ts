/** The path of a URL such as `sqlite:./agent.db`. */
import { InvalidArgumentError } from "../contract/errors.js";

/**
 * What stands between the scheme and the query, with `///` for an absolute path and percent signs decoded.
 * @throws InvalidArgumentError
 */
export function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path.replace(/^\/\/\//, "/"));
  } catch (cause) {
    throw new InvalidArgumentError("the path of the URL is not percent-encoded well", { cause });
  }
}

/**
 * Takes the decoded path of a `sqlite:` URL, and refuses what would be another file than its writer means.
 * @throws InvalidArgumentError
 */
export function filePathOf(path: string): string {
  if (path === "") throw new InvalidArgumentError("a sqlite: URL names a file: sqlite:./agent.db");
  // As a path it would lie in the root directory.
  if (path.startsWith("//")) {
    throw new InvalidArgumentError(
      "a sqlite: URL has no host: sqlite:./agent.db is relative to the working directory, sqlite:///var/lib/agent.db absolute",
    );
  }
  // As a path it is a directory of that name: only a shell knows it, and not in the middle of a word.
  if (/^~(?:[/\\]|$)/.test(path)) {
    throw new InvalidArgumentError(
      "a sqlite: URL does not know ~: write the home directory as a path; sqlite:./~ is a file of that name",
    );
  }
  return path;
}
