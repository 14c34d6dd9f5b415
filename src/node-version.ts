/**
 * The oldest Node.js that Waystone runs on, and the sentence for anyone below it.
 *
 * Only syntax and modules of Node.js 16 here and in what it imports: an older Node.js has to get as far as the sentence.
 */

const REQUIRED_MAJOR = 22;
const REQUIRED_MINOR = 13;

/**
 * What to tell the user of a Node.js that is too old.
 *
 * @param version `process.versions.node`, such as `"20.11.1"`, or `undefined` on a runtime that is not Node.js.
 * @returns one sentence, or `undefined` when Waystone runs on this version.
 */
export function nodeVersionProblem(version: string | undefined): string | undefined {
  const [major, minor] = (version ?? "").split(".").map(Number);
  if (major === undefined || minor === undefined || Number.isNaN(major) || Number.isNaN(minor)) return undefined;
  if (major > REQUIRED_MAJOR || (major === REQUIRED_MAJOR && minor >= REQUIRED_MINOR)) return undefined;
  return `Waystone needs Node.js >= ${REQUIRED_MAJOR}.${REQUIRED_MINOR}; this is v${version}.`;
}
