// Text that must not leave this machine inside the package.
import { homedir } from "node:os";
import { repositoryRoot } from "./repository.js";

const SECRETS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ["an npm token", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["a GitHub token", /\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})/],
  ["an AWS key", /\b(AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["an npm login", /:_(authToken|auth|password)\s*=/],
];

/** One sentence for each kind of leak in a file. */
export function leaksIn(file: string, text: string): string[] {
  const found = SECRETS.filter(([, pattern]) => pattern.test(text)).map(([what]) => what);
  const paths = [repositoryRoot, homedir()].filter((path) => path.split("/").length > 2);
  if (paths.some((path) => text.includes(`${path}/`))) found.push("a path of the build");
  return found.map((what) => `${file} holds ${what}`);
}
