/** What the writer tells its parent: an operation is about to be sent, or it was acknowledged. One JSON line each. */

export type Operation =
  | { readonly kind: "append"; readonly session: string; readonly batch: string; readonly size: number }
  | { readonly kind: "count"; readonly session: string; readonly key: string }
  | { readonly kind: "checkpoint"; readonly session: string; readonly id: string; readonly step: number }
  | {
      readonly kind: "writes";
      readonly session: string;
      readonly id: string;
      readonly task: string;
      readonly size: number;
    }
  | { readonly kind: "context"; readonly session: string; readonly version: number }
  | { readonly kind: "item"; readonly session: string; readonly key: string };

export interface WriterLine {
  readonly state: "sent" | "acknowledged";
  readonly operation: Operation;
}

/** Ids of the messages of a batch: sent again with the same ids, a batch is added once. */
export function messageIds(batch: string, size: number): string[] {
  return Array.from({ length: size }, (_, index) => `${batch}#${index}`);
}

/** A state of which every part can be checked: it is whole or it is not. */
export function stateOf(step: number): { step: number; filler: string; end: number } {
  return { step, filler: `${step};`.repeat(200), end: step };
}
