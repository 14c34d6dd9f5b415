// What the agent is asked about this repository's own documents.

export interface Question {
  readonly id: string;
  readonly asked: string;
  /** What the agent looks for: the plan that a model would make of the question. */
  readonly words: readonly string[];
}

export const QUESTIONS: readonly Question[] = [
  { id: "q1", asked: "What happens when two processes create the same session?", words: ["racing", "creators"] },
  { id: "q2", asked: "Can a request counter lose an increment?", words: ["counters", "atomic"] },
  { id: "q3", asked: "Who numbers the messages of a conversation?", words: ["seq", "assigned"] },
  { id: "q4", asked: "Does reading history get slower as it grows?", words: ["time", "read", "limit", "length"] },
  { id: "q5", asked: "What if the process dies while a checkpoint is stored?", words: ["visible", "whole", "crash"] },
  { id: "q6", asked: "How are two workers on one thread told apart?", words: ["lease", "token", "grows"] },
  { id: "q7", asked: "Which checkpoints does pruning keep?", words: ["prunecheckpoints", "keeps"] },
  { id: "q8", asked: "What may never be in an error message?", words: ["error", "message", "credential"] },
  { id: "q9", asked: "How long may a call take?", words: ["call", "settles", "deadline"] },
  { id: "q10", asked: "What does an acknowledged write survive?", words: ["acknowledged", "survives", "level"] },
];
