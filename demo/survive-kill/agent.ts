// The agent: answers the questions in order, each a turn of four steps, a checkpoint behind each step. It may be killed at
// any moment; started again it goes on behind the last checkpoint. Run by `survive-kill.ts` with the store's URL.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type NewMessage, openStorage } from "waystone";
import { contextEngine } from "waystone/engine";
import { tell } from "./events.ts";
import { QUESTIONS, type Question } from "./questions.ts";
import { count, read, search } from "./tools.ts";

export const SESSION = "docs-agent";

/** Where the agent stands: all that it needs to go on. */
interface AgentState {
  readonly question: number;
  /** Steps of the question that are finished. */
  readonly step: number;
  /** Tool calls and results of the question so far. */
  readonly transcript: readonly NewMessage[];
  readonly findings: { readonly [tool: string]: unknown };
  readonly answers: { readonly [questionId: string]: string };
}

type Step = (question: Question, findings: AgentState["findings"]) => { tool: string; input: unknown; result: unknown };

const STEPS: readonly Step[] = [
  ({ words }) => ({ tool: "search", input: { words }, result: search(words) }),
  (_question, { search: hits }) => {
    const best = (hits as ReturnType<typeof search>)[0];
    const input = { file: best?.file ?? "README.md", line: best?.line ?? 1 };
    return { tool: "read", input, result: read(input.file, input.line) };
  },
  ({ words }) => ({ tool: "count", input: { word: words[0] ?? "" }, result: count(words[0] ?? "") }),
  (_question, findings) => {
    const { files, mentions } = findings.count as ReturnType<typeof count>;
    const source = (findings.search as ReturnType<typeof search>)[0]?.file;
    const text = String(findings.read).replaceAll("**", "").replace(/^- /, "");
    return { tool: "answer", input: {}, result: `${text} [${source}; ${mentions} mentions in ${files} files]` };
  },
];

export const STEPS_PER_QUESTION: number = STEPS.length;

if (process.argv[1] === import.meta.filename) await run(process.argv[2] ?? "");

async function run(url: string): Promise<void> {
  await using storage = await openStorage(url);
  const engine = contextEngine(storage);
  await storage.createSession(SESSION, "you", { ifExists: "return", metadata: { agent: "docs" } });
  const latest = await storage.getCheckpoint(SESSION);
  let state = (latest?.data ?? { question: 0, step: 0, transcript: [], findings: {}, answers: {} }) as AgentState;
  tell({ event: "resumed", question: state.question, step: state.step });

  for (const question of QUESTIONS.slice(state.question)) {
    if (state.step === 0) tell({ event: "asked", question: question.id, asked: question.asked });
    const { messages } = await engine.turn(SESSION, { turnId: question.id }, async (turn) => {
      while (state.step < STEPS.length) {
        await sleep(12); // a model would think here
        state = await takeStep(state, question);
      }
      turn.message("user", question.asked);
      for (const { role, content } of state.transcript) turn.message(role, content);
      turn.context({ answers: state.answers });
    });
    const answer = state.answers[question.id] ?? "";
    tell({
      event: "turn-acknowledged",
      turn: question.id,
      messageIds: messages.map((message) => message.messageId),
      answer,
    });
    state = { question: state.question + 1, step: 0, transcript: [], findings: {}, answers: state.answers };
  }
  await storage.endSession(SESSION);
  tell({ event: "done" });

  /** Runs a tool and stores where the agent stands now; only then is the step finished. */
  async function takeStep(before: AgentState, question: Question): Promise<AgentState> {
    const checkpoint = `${question.id}/${before.step + 1}`;
    const step = STEPS[before.step] as Step;
    const { tool, input, result } = step(question, before.findings);
    tell({ event: "ran", checkpoint });
    const after: AgentState = {
      question: before.question,
      step: before.step + 1,
      transcript: [...before.transcript, ...spoken(tool, input, result, checkpoint)],
      findings: { ...before.findings, [tool]: result },
      answers: tool === "answer" ? { ...before.answers, [question.id]: String(result) } : before.answers,
    };
    await storage.storeCheckpoint(SESSION, checkpoint, after, { sessionId: SESSION, metadata: { tool } });
    tell({ event: "checkpoint-acknowledged", checkpoint, digest: digestOf(after) });
    return after;
  }
}

/** What the conversation shows of a step: the tool's call and result, or the answer. */
function spoken(tool: string, input: unknown, result: unknown, toolCallId: string): NewMessage[] {
  if (tool === "answer") return [{ role: "assistant", content: String(result) }];
  return [
    { role: "assistant", content: [{ type: "tool-call", toolCallId, toolName: tool, input }] },
    { role: "tool", content: [{ type: "tool-result", toolCallId, toolName: tool, result }] },
  ];
}

export function digestOf(state: unknown): string {
  return createHash("sha256").update(JSON.stringify(state)).digest("hex").slice(0, 16);
}
