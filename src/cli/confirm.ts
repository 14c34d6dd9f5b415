/** Nothing is deleted or overwritten unseen: the plan is shown, then somebody says yes. */
import { createInterface } from "node:readline/promises";
import { CommandFailure } from "./command-failure.js";
import type { Invocation } from "./invocation.js";
import { escapeLine } from "./output/escape.js";
import { maskCredentials } from "./output/mask.js";

/**
 * Returns when `--yes` was given or a person has agreed.
 *
 * @param plan what will happen, in lines.
 * @throws CommandFailure `CONFIRMATION_NEEDED` when nobody can be asked, `NOT_ALLOWED` when the answer is no
 */
export async function confirm(invocation: Invocation, plan: readonly string[]): Promise<void> {
  if (invocation.yes) {
    for (const line of plan) invocation.note(line);
    return;
  }
  // Line by line: an id that holds a line break must not look like another line of the plan.
  const shown = plan.map(escapeLine).join("\n");
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CommandFailure("CONFIRMATION_NEEDED", `not without a yes: ${shown}`, {
      hint: `to do it, run: ${confirmedLine(invocation.words)}`,
    });
  }
  const agreed = await ask(`${shown}\nGo on? [y/N] `, invocation.signal);
  if (!agreed)
    throw new CommandFailure("NOT_ALLOWED", "nothing was changed: the answer was no", {
      hint: "answer y, or pass --yes",
    });
}

/** The line that does the same without a question. */
export function confirmedLine(words: readonly string[]): string {
  const typed = words.map((word) => shellWord(maskCredentials(word)));
  // Behind `--` an option would be taken for an argument.
  return ["waystone", ...(words.includes("--") ? ["--yes", ...typed] : [...typed, "--yes"])].join(" ");
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // The terminal is in raw mode: Ctrl-C comes as a key. Ctrl-D closes, which is no yes.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    const closed = new Promise<string>((resolve) => {
      lines.once("close", () => {
        process.stderr.write("\n");
        resolve("");
      });
    });
    const answer = await Promise.race([lines.question(question, { signal }), closed]);
    lines.removeAllListeners("close");
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
