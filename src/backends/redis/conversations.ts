/** Conversations of the Redis backend (C1-C6). */
import type { Call } from "../../domain/driver/call.js";
import type { ConversationDriver, HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import type { Connection } from "./connection/connection.js";
import { readTexts, storeTexts, whole } from "./long-texts.js";
import { ADD_MESSAGES, DELETE_MESSAGES, GET_HISTORY } from "./lua/conversations.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";

/** An entry of the stream: `seq-0`, and names and values in the order in which they are added. */
export type Entry = readonly [id: string, fields: readonly string[]];

export function conversationVerbs(connection: () => Connection): ConversationDriver {
  return {
    async addMessages(call, sessionId, messages, fence) {
      const contents = messages.map(({ content }) => content);
      const reply = await storeTexts<Verdict>(connection(), call, contents, (texts) => {
        const args: (string | number)[] = [sessionId, tokenText(fence)];
        for (const [i, { keyed, messageId, role, timestamp, metadata }] of messages.entries()) {
          args.push(keyed ? "1" : "0", messageId, role, timestamp ?? "", metadata, texts[i] as string);
        }
        return connection().run(call, ADD_MESSAGES, args);
      });
      assertAccepted(reply, sessionId, fence);
      const stored = messages.map(({ keyed: _, ...message }, i) => {
        const [seq, timestamp, earlier] = reply[i + 1] as readonly [string, string, (readonly string[])?];
        if (earlier !== undefined) return toMessage([`${seq}-0`, earlier]);
        return { ...message, seq: Number(seq), timestamp: Number(timestamp) };
      });
      return withContents(connection(), call, stored);
    },

    getHistory: (call, sessionId, window) => whole(() => getHistory(connection(), call, sessionId, window)),

    async deleteMessages(call, sessionId, { after, before }, fence) {
      const reply = await connection().run<Verdict>(call, DELETE_MESSAGES, [
        sessionId,
        tokenText(fence),
        after === null ? "" : after + 1,
        before === null ? "" : Math.max(0, before - 1),
      ]);
      assertAccepted(reply, sessionId, fence);
      return reply[1] as number;
    },
  };
}

async function getHistory(
  connection: Connection,
  call: Call,
  sessionId: string,
  window: HistoryWindow,
): Promise<StoredMessage[]> {
  const { limit, before, after, roles } = window;
  const read = roles === null ? await readWindow(connection, call, sessionId, window) : undefined;
  if (read !== undefined) return withContents(connection, call, read);
  const entries = await connection.run<Entry[]>(call, GET_HISTORY, [
    sessionId,
    limit,
    after === null ? "" : after + 1,
    before === null ? "" : Math.max(0, before - 1),
    after === null ? "0" : "1",
    ...(roles ?? []),
  ]);
  return withContents(connection, call, entries.map(toMessage));
}

/** Messages with their long contents. */
export function withContents(
  connection: Connection,
  call: Call,
  messages: StoredMessage[],
): StoredMessage[] | Promise<StoredMessage[]> {
  return readTexts(
    connection,
    call,
    messages,
    ({ content }) => content,
    (message, content) => ({ ...message, content }),
  );
}

/** A window by plain commands; `undefined` where a script has to decide whether the session has expired. */
async function readWindow(
  connection: Connection,
  call: Call,
  sessionId: string,
  { limit, before, after }: HistoryWindow,
): Promise<StoredMessage[] | undefined> {
  if (connection.expiring.sessions) return undefined;
  const key = connection.keyOf(call.tenant);
  const [from, to] = [after === null ? "-" : after + 1, before === null ? "+" : Math.max(0, before - 1)];
  const range =
    after === null
      ? (["xrevrange", `${key}:m:${sessionId}`, to, from, "COUNT", limit] as const)
      : (["xrange", `${key}:m:${sessionId}`, from, to, "COUNT", limit] as const);
  const read = await connection.read(call, [["hget", `${key}:s:${sessionId}`, "t"], range]);
  if (read === undefined) return undefined;
  const [ttl, entries] = read as [string | null, Entry[]];
  if (ttl === null) return (after === null ? entries.reverse() : entries).map(toMessage);
  connection.expiring.sessions = true;
  return undefined;
}

export function toMessage([id, fields]: Entry): StoredMessage {
  const [, messageId, , role, , timestamp, , metadata, , content] = fields;
  return {
    seq: Number(id.slice(0, id.indexOf("-"))),
    messageId: messageId as string,
    role: role as string,
    content: content as string,
    metadata: metadata as string,
    timestamp: Number(timestamp),
  };
}
