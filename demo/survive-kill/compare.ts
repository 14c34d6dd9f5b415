// Compares what the store holds with what the agent was told is stored.
import type { StorageBackend } from "waystone";
import { digestOf, SESSION, STEPS_PER_QUESTION } from "./agent.ts";
import type { AgentEvent } from "./events.ts";
import { QUESTIONS } from "./questions.ts";

export interface Comparison {
  readonly counts: readonly {
    readonly what: string;
    readonly acknowledged: number;
    readonly stored: number;
    readonly lost: number;
    readonly doubled: number;
  }[];
  /** Steps that were run although their checkpoint had been acknowledged. */
  readonly repeated: number;
  readonly problems: readonly string[];
}

export async function compare(storage: StorageBackend, told: readonly AgentEvent[]): Promise<Comparison> {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };

  const digests = new Map<string, string>();
  let repeated = 0;
  for (const event of told) {
    if (event.event === "ran" && digests.has(event.checkpoint)) repeated += 1;
    if (event.event === "checkpoint-acknowledged") digests.set(event.checkpoint, event.digest);
  }
  const turns = new Map(told.flatMap((event) => (event.event === "turn-acknowledged" ? [[event.turn, event]] : [])));
  const messageIds = [...turns.values()].flatMap((turn) => turn.messageIds);

  const checkpoints = await storage.listCheckpoints(SESSION, { limit: 10_000, data: true });
  const stored = new Map(checkpoints.map((checkpoint) => [checkpoint.checkpointId, digestOf(checkpoint.data)]));
  const lostCheckpoints = [...digests].filter(([id, digest]) => stored.get(id) !== digest).length;

  const messages = await storage.getConversationHistory(SESSION, { limit: 10_000 });
  const storedIds = new Set(messages.map((message) => message.messageId));
  const lostMessages = messageIds.filter((id) => !storedIds.has(id)).length;
  const texts = messages.map((message) => JSON.stringify([message.role, message.content]));
  const doubledMessages = texts.length - new Set(texts).size;

  const session = await storage.getSession(SESSION);
  const context = await storage.getTaskContext(SESSION);
  const answers = (context?.context ?? {}) as { readonly answers?: { readonly [id: string]: string } };
  const lostAnswers = [...turns].filter(([id, turn]) => answers.answers?.[id] !== turn.answer).length;

  expect(turns.size === QUESTIONS.length, `${turns.size} of ${QUESTIONS.length} questions were answered`);
  expect(checkpoints.length === QUESTIONS.length * STEPS_PER_QUESTION, `${checkpoints.length} checkpoints are stored`);
  expect(
    messages.every((message, index) => message.seq === index + 1),
    "the messages are not numbered without gaps",
  );
  expect(session?.requestCount === QUESTIONS.length, `the session counts ${session?.requestCount} requests`);
  expect(session?.status === "completed", `the session is ${session?.status}`);
  expect(lostCheckpoints + lostMessages + lostAnswers === 0, "acknowledged writes are lost or changed");
  expect(doubledMessages === 0, `${doubledMessages} messages are doubled`);
  expect(repeated === 0, `${repeated} finished steps were run again`);

  const answered = Object.keys(answers.answers ?? {}).length;
  const requests = session?.requestCount ?? 0;
  return {
    counts: [
      {
        what: "checkpoints",
        acknowledged: digests.size,
        stored: stored.size,
        lost: lostCheckpoints,
        doubled: checkpoints.length - stored.size,
      },
      {
        what: "messages",
        acknowledged: messageIds.length,
        stored: messages.length,
        lost: lostMessages,
        doubled: doubledMessages,
      },
      { what: "answers in context", acknowledged: turns.size, stored: answered, lost: lostAnswers, doubled: 0 },
      {
        what: "turns counted",
        acknowledged: turns.size,
        stored: requests,
        lost: Math.max(0, turns.size - requests),
        doubled: Math.max(0, requests - turns.size),
      },
    ],
    repeated,
    problems,
  };
}
