/**
 * Where tool calls and their results stand in messages, in the shapes that are customary:
 *
 * | where | call | result |
 * | --- | --- | --- |
 * | content part | `{ type: "tool-call", toolCallId }` | `{ type: "tool-result", toolCallId }` (also `tool-error`) |
 * | content part | `{ type: "tool_use", id }`, `tool_call`, `function_call` with `call_id` | `{ type: "tool_result", tool_use_id }`, `function_call_output` with `call_id` |
 * | metadata | `tool_calls: [{ id }]`, `toolCalls` | `tool_call_id`, `toolCallId` |
 */
import type { ContentPart, Message } from "../contract/conversation-storage.js";

/** A tool call, or the result of one, that a message holds. */
export interface ToolReference {
  readonly kind: "call" | "result";
  /** The id that a call and its result share. */
  readonly id: string;
}

/** The part of a message that tells its tool calls and results. */
export type ToolMessage = Pick<Message, "role" | "content" | "metadata">;

/** Finds the tool calls and results of a message, in their order. */
export type ToolReferences = (message: ToolMessage) => readonly ToolReference[];

/** The recognition that engines use unless they are given another. */
export function toolReferences(message: ToolMessage): readonly ToolReference[] {
  const { content, metadata } = message;
  const references: ToolReference[] = [];
  if (typeof content !== "string") for (const part of content) references.push(...partReferences(part));
  addReference(references, "result", textOf(metadata.tool_call_id) ?? textOf(metadata.toolCallId));
  for (const calls of [metadata.tool_calls, metadata.toolCalls]) {
    if (!Array.isArray(calls)) continue;
    for (const call of calls as readonly unknown[]) addReference(references, "call", callId(call));
  }
  return references;
}

const CALL_TYPES: ReadonlySet<string> = new Set(["tool-call", "tool_call", "tool_use", "function_call"]);
const RESULT_TYPES: ReadonlySet<string> = new Set(["tool-result", "tool-error", "tool_result", "function_call_output"]);

function partReferences(part: ContentPart): readonly ToolReference[] {
  const references: ToolReference[] = [];
  if (CALL_TYPES.has(part.type)) addReference(references, "call", callId(part));
  if (RESULT_TYPES.has(part.type)) addReference(references, "result", resultId(part));
  return references;
}

function addReference(references: ToolReference[], kind: ToolReference["kind"], id: string | undefined): void {
  if (id !== undefined) references.push({ kind, id });
}

/** `id` comes last: a part of the Responses API has an id of its own beside its `call_id`. */
function callId(call: unknown): string | undefined {
  if (call === null || typeof call !== "object") return undefined;
  const { toolCallId, tool_call_id, call_id, id } = call as { readonly [field: string]: unknown };
  return textOf(toolCallId) ?? textOf(tool_call_id) ?? textOf(call_id) ?? textOf(id);
}

function resultId({ toolCallId, tool_use_id, tool_call_id, call_id }: ContentPart): string | undefined {
  return textOf(toolCallId) ?? textOf(tool_use_id) ?? textOf(tool_call_id) ?? textOf(call_id);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
