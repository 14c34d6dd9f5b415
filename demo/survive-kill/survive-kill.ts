// Runs the agent, kills it with SIGKILL in the middle, starts it again, and at the end compares what is stored with what was
// acknowledged: nothing lost, nothing doubled, no finished step repeated.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { styleText } from "node:util";
import { openStorage } from "waystone";
import { freshStore } from "../fresh-store.ts";
import { STEPS_PER_QUESTION } from "./agent.ts";
import { compare } from "./compare.ts";
import type { AgentEvent } from "./events.ts";
import { QUESTIONS } from "./questions.ts";

/** Kills the agent behind so many acknowledged checkpoints of a life. */
const LIVES = [Math.floor((QUESTIONS.length * STEPS_PER_QUESTION) / 4), 13, Number.POSITIVE_INFINITY];

/** Returns the exit code: 1 when something was lost, doubled or repeated. */
export async function surviveKill(): Promise<number> {
  const url = freshStore("demo");
  console.log(
    `An agent answers ${QUESTIONS.length} questions about this repository's documents. Its state is in ${url}.\n`,
  );
  const told: AgentEvent[] = [];
  for (const killAfter of LIVES) {
    const end = await live(url, killAfter, told);
    if (end !== "SIGKILL" && end !== 0) {
      console.error(`the agent ended with ${end}`);
      return 1;
    }
  }
  await using storage = await openStorage(url);
  const findings = await compare(storage, told);
  console.log("\n                     acknowledged   stored   lost   doubled");
  for (const { what, acknowledged, stored, lost, doubled } of findings.counts) {
    const numbers = [
      String(acknowledged).padStart(12),
      String(stored).padStart(8),
      String(lost).padStart(6),
      String(doubled).padStart(9),
    ];
    console.log(`${what.padEnd(20)} ${numbers.join(" ")}`);
  }
  for (const problem of findings.problems) console.error(styleText("red", problem));
  const well = findings.problems.length === 0;
  console.log(`\nFinished steps that were run again: ${findings.repeated}.`);
  if (well) console.log(styleText("green", "Nothing lost, nothing doubled, nothing repeated."));
  console.log(`\nLook at it:  npx waystone history docs-agent --url ${url}`);
  return well ? 0 : 1;
}

/** One life of the agent; collects what it tells, and kills it behind its `killAfter`-th acknowledged checkpoint. */
async function live(url: string, killAfter: number, told: AgentEvent[]): Promise<number | string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "agent.ts"), url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code ?? 1));
  });
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as AgentEvent;
    told.push(event);
    show(event);
    if (event.event === "checkpoint-acknowledged" && ++acknowledged === killAfter) child.kill("SIGKILL");
  }
  const end = await ended;
  if (end === "SIGKILL")
    console.log(styleText("red", `\n  kill -9 behind ${acknowledged} acknowledged checkpoints of this life\n`));
  return end;
}

function show(event: AgentEvent): void {
  if (event.event === "resumed" && (event.question > 0 || event.step > 0)) {
    const at = QUESTIONS[event.question]?.id ?? "the end";
    console.log(
      styleText(
        "yellow",
        `  started again: goes on at ${at}, ${event.step} of ${STEPS_PER_QUESTION} steps were finished\n`,
      ),
    );
  }
  if (event.event === "asked") console.log(styleText("bold", event.asked));
  if (event.event === "checkpoint-acknowledged") process.stdout.write(styleText("dim", `  ${event.checkpoint}`));
  if (event.event === "turn-acknowledged") {
    const { answer } = event;
    console.log(`\n  ${answer.length > 150 ? `${answer.slice(0, 149)}…` : answer}\n`);
  }
}
