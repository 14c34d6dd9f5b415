// What the agent tells its parent, a line of JSON each: what it did, and what the store acknowledged.

export type AgentEvent =
  | { readonly event: "resumed"; readonly question: number; readonly step: number }
  | { readonly event: "asked"; readonly question: string; readonly asked: string }
  /** A tool was run for this step. */
  | { readonly event: "ran"; readonly checkpoint: string }
  | { readonly event: "checkpoint-acknowledged"; readonly checkpoint: string; readonly digest: string }
  | {
      readonly event: "turn-acknowledged";
      readonly turn: string;
      readonly messageIds: readonly string[];
      readonly answer: string;
    }
  | { readonly event: "done" };

/** Writing to a pipe is synchronous here, so that what was told has left before the next step begins. */
export function tell(event: AgentEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
