/** `waystone history`: the conversation of a session. */
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import type { HistoryOptions, Message } from "../../contract/conversation-storage.js";
import { SessionNotFoundError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { Invocation } from "../invocation.js";
import { timeColumn } from "../output/columns.js";
import { contentLine, contentLines } from "../output/content.js";
import { escapeBlock, escapeLine } from "../output/escape.js";
import { jsonText } from "../output/json.js";
import { footer, printListing } from "../output/listing.js";
import { portable } from "../output/portable.js";
import type { Column } from "../output/table.js";
import { renderText } from "../output/text.js";
import { relativeTime } from "../output/units.js";
import { seqBounds, seqCursor } from "../seq-cursor.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export interface HistoryCommandOptions {
  readonly limit: number;
  readonly before?: number;
  readonly after?: number;
  readonly role?: readonly string[];
  readonly cursor?: string;
  readonly full?: boolean;
  readonly follow?: boolean;
  /** Milliseconds between two looks. */
  readonly interval: number;
}

/** Most messages that the storage gives at once. */
const MOST_AT_ONCE = 10_000;

export const MESSAGE_COLUMNS: readonly Column<Message>[] = [
  { title: "SEQ", value: (message) => message.seq, align: "right", keep: 8 },
  { title: "ROLE", value: (message) => message.role, keep: 9, cut: "middle", minWidth: 9 },
  timeColumn("WHEN", (message) => message.timestamp, 5),
  { title: "CONTENT", value: (message) => contentLine(message.content), keep: 10, cut: "end", minWidth: 20 },
];

export async function history(
  invocation: Invocation,
  [reference]: readonly [string],
  options: HistoryCommandOptions,
): Promise<void> {
  const { signal } = invocation;
  await withStore(invocation, async (storage) => {
    const { sessionId, lastSeq } = await findSession(storage, reference, signal);
    const bounds = seqBounds(options, options.cursor);
    const { messages, nextCursor } = await page(storage, sessionId, {
      limit: options.limit,
      before: bounds.before,
      after: bounds.after,
      roles: options.role,
      signal,
    });
    await printMessages(invocation, messages, nextCursor, options);
    if (options.follow === true) {
      await follow(invocation, storage, sessionId, messages.at(-1)?.seq ?? bounds.after ?? lastSeq, options);
    }
  });
}

/** One message more than asked for tells whether there is another page. */
async function page(
  storage: StorageBackend,
  sessionId: string,
  query: HistoryOptions & { readonly limit: number },
): Promise<{ readonly messages: Message[]; readonly nextCursor: string | undefined }> {
  const { limit, after } = query;
  const asked = limit > 0 && limit < MOST_AT_ONCE ? limit + 1 : limit;
  const found = await storage.getConversationHistory(sessionId, { ...query, limit: asked });
  const more =
    limit > 0 && found.length === asked && (asked > limit || after !== undefined || (found[0]?.seq ?? 1) > 1);
  if (after !== undefined) {
    const messages = found.slice(0, limit);
    const last = messages.at(-1);
    return { messages, nextCursor: more && last !== undefined ? seqCursor("after", last.seq) : undefined };
  }
  const messages = limit === 0 ? [] : found.slice(-limit);
  const first = messages[0];
  return { messages, nextCursor: more && first !== undefined ? seqCursor("before", first.seq) : undefined };
}

async function printMessages(
  invocation: Invocation,
  messages: readonly Message[],
  nextCursor: string | undefined,
  options: HistoryCommandOptions,
): Promise<void> {
  if (options.follow === true) {
    await printStream(invocation, messages, options);
  } else if (invocation.form === "table" && options.full === true) {
    await invocation.print(transcript(messages, invocation.style));
    invocation.note(footer("message", messages.length, nextCursor));
  } else {
    await printListing(invocation, {
      noun: "message",
      columns: MESSAGE_COLUMNS,
      rows: messages,
      json: messageJson,
      nextCursor,
    });
  }
}

/** Messages as they come: a JSON document a line, lines for pipes, a transcript for people. */
async function printStream(
  invocation: Invocation,
  messages: readonly Message[],
  options: HistoryCommandOptions,
): Promise<void> {
  if (messages.length === 0) return;
  switch (invocation.form) {
    case "json":
      return invocation.print(messages.map((message) => jsonText(messageJson(message))).join(""));
    case "text":
      return invocation.print(renderText(MESSAGE_COLUMNS, messages));
    case "table":
      return invocation.print(
        transcript(messages, { ...invocation.style, now: Date.now() }, options.full === true ? undefined : 10),
      );
  }
}

/** Looks again and again: a reader that follows `after` misses no message (C2). Ends by Ctrl-C, or with the session. */
async function follow(
  invocation: Invocation,
  storage: StorageBackend,
  sessionId: string,
  from: number,
  options: HistoryCommandOptions,
): Promise<void> {
  const { signal } = invocation;
  for (let after = from; ; ) {
    const messages = await storage.getConversationHistory(sessionId, {
      after,
      limit: 1000,
      roles: options.role,
      signal,
    });
    await printStream(invocation, messages, options);
    after = messages.at(-1)?.seq ?? after;
    if (messages.length > 0) continue;
    if ((await storage.getSession(sessionId, { signal })) === undefined) throw new SessionNotFoundError(sessionId);
    await sleep(options.interval, undefined, { signal });
  }
}

/** Whole messages under a heading each; at most `most` lines of each if given. */
export function transcript(
  messages: readonly Message[],
  style: { readonly color: boolean; readonly now: number },
  most = Number.POSITIVE_INFINITY,
): string {
  return messages
    .map((message) => {
      const heading = `#${message.seq} ${escapeLine(message.role)} · ${relativeTime(message.timestamp, style.now)}`;
      const lines = escapeBlock(contentLines(message.content).join("\n")).split("\n");
      const shown = lines.slice(0, most).map((line) => `  ${line}\n`);
      if (lines.length > most) shown.push(`  … ${lines.length - most} more lines\n`);
      return `${style.color ? styleText("bold", heading, { validateStream: false }) : heading}\n${shown.join("")}`;
    })
    .join("");
}

function messageJson(message: Message): unknown {
  return { ...message, content: portable(message.content) };
}
