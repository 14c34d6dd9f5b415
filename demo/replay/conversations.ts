// Reads recorded conversations: one JSON object a line, `{conversation, user, messages: [{role, content, tool_calls?, …}]}`.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { ContentPart, NewMessage } from "waystone";

export interface RecordedConversation {
  readonly id: string;
  readonly user: string;
  readonly messages: readonly NewMessage[];
  /** Bytes of its line. */
  readonly bytes: number;
}

/** The file cannot be read, or says which line is not what it should be. */
export class RecordingError extends Error {}

interface ToolCall {
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
}

/** The conversations of a file, one at a time, however long the file is. */
export async function* recordedConversations(
  file: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<RecordedConversation> {
  const source = createReadStream(file);
  source.on("data", (chunk) => onBytes(chunk.length));
  const text = file.endsWith(".gz") ? source.pipe(createGunzip()) : source;
  const failed = new Promise<never>((_, reject) => {
    const unreadable = (error: Error): void => reject(new RecordingError(error.message, { cause: error }));
    source.on("error", unreadable);
    text.on("error", unreadable);
  });
  failed.catch(() => undefined);
  const lines = createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (let number = 1; ; number += 1) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true) return;
    if (next.value.trim() !== "") yield parseConversation(next.value, number);
  }
}

function parseConversation(line: string, number: number): RecordedConversation {
  const wrong = (what: string): RecordingError => new RecordingError(`line ${number}: ${what}`);
  let record: { conversation?: unknown; user?: unknown; messages?: unknown };
  try {
    record = JSON.parse(line);
  } catch (error) {
    throw new RecordingError(`line ${number} is not JSON`, { cause: error });
  }
  if (record === null || typeof record !== "object") throw wrong("must be an object");
  const { conversation, user, messages } = record;
  if (typeof conversation !== "string" || conversation === "") throw wrong("conversation must be a name");
  if (typeof user !== "string" || user === "") throw wrong("user must be a name");
  if (!Array.isArray(messages)) throw wrong("messages must be an array");
  return {
    id: conversation,
    user,
    bytes: Buffer.byteLength(line),
    messages: messages.map((message: unknown, index) => {
      const parsed = parseMessage(message, `${conversation}#${index}`);
      if (parsed === undefined) throw wrong(`messages[${index}] must have a role, and a content or tool calls`);
      return parsed;
    }),
  };
}

/** The customary chat form as structured parts; the id makes a second replay add nothing. */
function parseMessage(message: unknown, messageId: string): NewMessage | undefined {
  if (message === null || typeof message !== "object") return undefined;
  const { role, content, tool_calls, tool_call_id, name } = message as { [field: string]: unknown };
  if (typeof role !== "string" || role === "") return undefined;
  if (role === "tool") {
    return {
      role,
      messageId,
      content: [
        { type: "tool-result", toolCallId: tool_call_id ?? null, toolName: name ?? null, result: content ?? null },
      ],
    };
  }
  if (Array.isArray(tool_calls)) {
    const calls = tool_calls.map(
      (call: ToolCall): ContentPart => ({
        type: "tool-call",
        toolCallId: call.id ?? null,
        toolName: call.function?.name ?? null,
        input: call.function?.arguments ?? null,
      }),
    );
    return {
      role,
      messageId,
      content: typeof content === "string" ? [{ type: "text", text: content }, ...calls] : calls,
    };
  }
  return typeof content === "string" ? { role, messageId, content } : undefined;
}
