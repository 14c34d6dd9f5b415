/** Message contents and stored values as people read them. Nothing here is escaped yet: that is done where it is printed. */
import { inspect } from "node:util";
import type { ContentPart, MessageContent } from "../../contract/conversation-storage.js";

/** How much of a value is shown. */
export interface InspectStyle {
  readonly width: number;
  /** All of it, however long. Default: enough to see what it is. */
  readonly full?: boolean;
}

/** A stored value over as many lines as it needs. */
export function inspectValue(value: unknown, { width, full = false }: InspectStyle): string {
  return inspect(value, {
    breakLength: Math.max(40, width),
    compact: 3,
    depth: full ? null : 6,
    maxArrayLength: full ? null : 50,
    maxStringLength: full ? null : 500,
  });
}

/** A content in one line. */
export function contentLine(content: MessageContent): string {
  return contentLines(content).join(" · ");
}

/** A content with a line for each part; a text may hold lines of its own. */
export function contentLines(content: MessageContent): string[] {
  return typeof content === "string" ? [content] : content.map(partLine);
}

/** Field names under which the customary formats of model providers keep the same thing. */
const CALL_TYPES = ["tool_call", "tool-call", "tool_use", "function_call", "function"];
const RESULT_TYPES = ["tool_result", "tool-result", "function_call_output"];
const NAME_FIELDS = ["name", "toolName", "tool_name"];
const INPUT_FIELDS = ["input", "args", "arguments", "parameters"];
const OUTPUT_FIELDS = ["output", "result", "content"];
const ID_FIELDS = ["toolCallId", "tool_call_id", "tool_use_id", "call_id", "id"];

function partLine(part: ContentPart): string {
  if (CALL_TYPES.includes(part.type)) {
    const call = isObject(part.function) ? { ...part, ...part.function } : part;
    return `→ ${firstText(call, NAME_FIELDS) ?? part.type}(${inline(firstOf(call, INPUT_FIELDS))})`;
  }
  if (RESULT_TYPES.includes(part.type)) {
    const name = firstText(part, NAME_FIELDS) ?? firstText(part, ID_FIELDS) ?? part.type;
    return `← ${name}: ${inline(firstOf(part, OUTPUT_FIELDS))}`;
  }
  if (typeof part.text === "string") return part.type === "text" ? part.text : `[${part.type}] ${part.text}`;
  const { type, ...rest } = part;
  return Object.keys(rest).length === 0 ? `[${type}]` : `[${type}] ${inline(rest)}`;
}

/** A text is itself, nothing is nothing, all else is inspected in one line. */
function inline(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 6, maxStringLength: null });
}

function firstOf(part: { readonly [field: string]: unknown }, fields: readonly string[]): unknown {
  return fields.map((field) => part[field]).find((value) => value !== undefined);
}

function firstText(part: { readonly [field: string]: unknown }, fields: readonly string[]): string | undefined {
  const value = fields.map((field) => part[field]).find((each) => typeof each === "string" && each !== "");
  return value as string | undefined;
}

function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null;
}
