// Runs the built command as a user does: a child process with its own environment.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { userEnvironment } from "../support/packed-package.js";
import { repositoryRoot } from "../support/repository.js";

export const commandFile: string = join(repositoryRoot, "dist", "cli", "main.js");

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandSetting {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  /** The command's file, when it is not that of `dist`. */
  readonly file?: string;
}

/** The command's answer. Its environment has none of this product's variables. */
export function runCommand(
  args: readonly string[],
  { cwd, env, input, file = commandFile }: CommandSetting = {},
): Promise<CommandResult> {
  if (!existsSync(file)) throw new Error("dist is not built: run `npm run build` first");
  const { NO_COLOR: _color, ...plain } = userEnvironment;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...args], { cwd, env: { ...plain, ...env } });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...output }));
    // A command that does not read its input closes it.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
  });
}

/** What a command says of its progress where it takes some seconds, as it may on a busy machine. */
const PROGRESS = /^\{"progress":\{.*\}\}\n/gm;

/** The document on stdout of a command that must succeed; stderr must be silent, but for progress. */
export async function runJson(args: readonly string[], setting?: CommandSetting): Promise<unknown> {
  const { code, stdout, stderr } = await runCommand([...args, "--json"], setting);
  if (code !== 0 || stderr.replace(PROGRESS, "") !== "")
    throw new Error(`waystone ${args.join(" ")} ended with ${code}: ${stderr}`);
  if (stdout.trimEnd().includes("\n")) throw new Error(`waystone ${args.join(" ")} printed more than one line`);
  return JSON.parse(stdout);
}

/** The lines on stdout of a command that must succeed, split at tabs. */
export async function runText(args: readonly string[], setting?: CommandSetting): Promise<string[][]> {
  const { code, stdout, stderr } = await runCommand(args, setting);
  if (code !== 0) throw new Error(`waystone ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}
