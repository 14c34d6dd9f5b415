/** Summarises a range of a conversation with the caller's summariser, in steps of bounded size. */
import type { CallOptions } from "../contract/call.js";
import type { Message, MessageContent } from "../contract/conversation-storage.js";
import { parseContent } from "../domain/message-content.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { ToolGroups } from "./tool-groups.js";
import type { ToolReferences } from "./tool-references.js";

/** What a summariser is told beside the messages. */
export interface SummaryRequest {
  readonly sessionId: string;
  /** The summary of everything before these messages; the new one stands for both. */
  readonly previous?: MessageContent;
  readonly signal?: AbortSignal;
}

/** Makes one text, or parts, of messages; called with a bounded number of them at a time, oldest first. */
export type Summarize = (
  messages: readonly Message[],
  request: SummaryRequest,
) => MessageContent | Promise<MessageContent>;

/** Exclusive lower and inclusive upper bound by `seq`. */
export interface SummaryRange extends CallOptions {
  readonly after: number;
  readonly through: number;
  readonly previous: MessageContent | undefined;
  readonly summarize: Summarize;
  readonly chunkMessages: number;
}

/** One summary for the range and all before it. @throws what the summariser throws */
export async function summarizeRange(
  { storage, toolReferences }: EngineEnvironment,
  sessionId: string,
  range: SummaryRange,
): Promise<MessageContent> {
  const { through, summarize, chunkMessages: limit, signal } = range;
  let summary = range.previous;
  let { after } = range;
  while (after < through) {
    const page = await storage.getConversationHistory(sessionId, { after, limit, ...callOptions(range) });
    const within = page.filter(({ seq }) => seq <= through);
    const more = page.length === limit && within.length === page.length && within.at(-1)?.seq !== through;
    const chunk = more ? wholePairs(within, toolReferences) : within;
    after = more ? (chunk.at(-1)?.seq ?? through) : through;
    // Messages may have been deleted in the meantime.
    if (chunk.length === 0) continue;
    const request = { sessionId, ...(summary !== undefined && { previous: summary }), ...(signal && { signal }) };
    summary = parseContent(await summarize(chunk, request), "what summarize returns");
  }
  return summary ?? "";
}

/**
 * The messages of a page without the calls at its end whose results stand in the next one. When that leaves nothing, all of them:
 * the summariser goes on with its own summary of the call.
 */
function wholePairs(page: readonly Message[], references: ToolReferences): readonly Message[] {
  const groups = new ToolGroups();
  for (const message of page.toReversed()) groups.add(references(message));
  const unanswered = new Map<string, number>();
  for (const [at, message] of page.entries()) {
    for (const { kind, id } of references(message)) {
      if (kind === "call") unanswered.set(id, at);
      else unanswered.delete(id);
    }
  }
  // Only the last calls can still be answered; one that was left without an answer long ago holds nothing up.
  let end = Math.min(page.length, ...[...unanswered.values()].filter((at) => at >= page.length - RECENT));
  const spans = groups.pairs.map(({ result, call }) => ({
    from: page.length - 1 - call,
    to: page.length - 1 - result,
  }));
  const straddling = () => spans.find(({ from, to }) => from < end && end <= to);
  for (let span = straddling(); span !== undefined; span = straddling()) end = span.from;
  return end > 0 ? page.slice(0, end) : page;
}

/** How near to the end of a page a call is expected to be answered in the next one. */
const RECENT = 64;
