// The package as a user gets it: the packed tarball, and a folder in which it is installed.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "./repository.js";

/** The environment of a user's shell: nothing of the npm that runs the tests, no settings of this package. */
export const userEnvironment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|waystone_|vitest|node_)/i.test(name))),
  NO_COLOR: "1",
};

/** Packs `dist` as it is; `npm test` builds it first. */
export function packPackage(destination: string): string {
  if (!existsSync(join(repositoryRoot, "dist"))) throw new Error("dist is not built: run `npm run build` first");
  const [packed] = npmJson(["pack", "--json", "--ignore-scripts", "--pack-destination", destination]);
  return join(destination, packed.filename);
}

/** The files that `npm publish` would send, by path below the package's root. */
export function packedFiles(): string[] {
  const [packed] = npmJson(["pack", "--json", "--ignore-scripts", "--dry-run"]);
  return packed.files.map((file) => file.path);
}

/** Installs the tarball without the network, which works because the package has no dependencies. */
export function installPackage(folder: string, tarball: string): void {
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], {
    cwd: folder,
    env: userEnvironment,
    stdio: "pipe",
  });
}

/** An empty folder outside the repository, so that nothing resolves by accident, removed on disposal. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "waystone-test-")));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

interface PackReport {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** npm answers with a list, or since version 12 with an object by package name. */
function npmJson(args: readonly string[]): [PackReport] {
  const text = execFileSync("npm", args, {
    cwd: repositoryRoot,
    env: userEnvironment,
    encoding: "utf8",
    stdio: "pipe",
  });
  const [report] = Object.values<PackReport>(JSON.parse(text));
  if (report === undefined) throw new Error(`npm ${args.join(" ")} reported no package`);
  return [report];
}
