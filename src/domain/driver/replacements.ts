/** Replacements of stored values as a driver gets them: texts, as everything that is stored (P2). */
import type { EncodedText } from "../codec/encoded-text.js";

interface Swap<Value> {
  readonly from: Value;
  readonly to: Value;
}

export type ReplacementRow =
  | ({ readonly kind: "session"; readonly sessionId: string } & Swap<{ readonly metadata: string }>)
  | ({ readonly kind: "message"; readonly sessionId: string; readonly seq: number } & Swap<{
      readonly content: string;
      readonly metadata: string;
    }>)
  | {
      readonly kind: "task_context";
      readonly sessionId: string;
      readonly version: number;
      readonly from: { readonly context: string; readonly metadata: string };
      readonly to: { readonly context: string; readonly metadata: string; readonly sizeBytes: number };
    }
  | CheckpointReplacementRow
  | ({
      readonly kind: "write";
      readonly threadId: string;
      readonly namespace: string;
      readonly checkpointId: string;
      readonly taskId: string;
      readonly index: number;
    } & Swap<{ readonly value: string }>)
  | ({ readonly kind: "item"; readonly namespace: readonly string[]; readonly key: string } & Swap<{
      readonly value: string;
    }>);

export interface CheckpointReplacementRow {
  readonly kind: "checkpoint";
  readonly threadId: string;
  readonly namespace: string;
  readonly checkpointId: string;
  /** A state without an etag is known by its text, one with an etag by that. */
  readonly from: { readonly metadata: string } & (
    | { readonly etag: string; readonly data: null }
    | { readonly etag: null; readonly data: string }
  );
  readonly to: { readonly data: EncodedText; readonly sizeBytes: number; readonly metadata: string };
}

/** Those of one kind. */
export type ReplacementOf<Kind extends ReplacementRow["kind"]> = Extract<ReplacementRow, { readonly kind: Kind }>;
