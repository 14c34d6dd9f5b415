/** Conversations of the Redis backend (C1-C6). */
import type { Call } from "../../domain/driver/call.js";
import type { ConversationDriver, HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import type { Connection } from "./connection/connection.js";
import { ADD_MESSAGES, DELETE_MESSAGES, GET_HISTORY } from "./lua/conversations.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";

/** An entry of the stream: `seq-0`, and names and values in the order in which they are added. */
export type Entry = readonly [id: string, fields: readonly string[]];

export function conversationVerbs(connection: () => Connection): ConversationDriver {
  return {
    async addMessages(call, sessionId, messages, fence) {
      const args: (string | number)[] = [sessionId, tokenText(fence)];
      for (const { keyed, messageId, role, timestamp, metadata, content } of messages) {
        args.push(keyed ? "1" : "0", messageId, role, timestamp ?? "", metadata, content);
      }
      const reply = await connection().run<Verdict>(call, ADD_MESSAGES, args);
      assertAccepted(reply, sessionId, fence);
      return messages.map(({ keyed: _, ...message }, i) => {
        const [seq, timestamp, stored] = reply[i + 1] as readonly [string, string, (readonly string[])?];
        if (stored !== undefined) return toMessage([`${seq}-0`, stored]);
        return { ...message, seq: Number(seq), timestamp: Number(timestamp) };
      });
    },

    async getHistory(call, sessionId, window) {
      const { limit, before, after, roles } = window;
      const read = roles === null ? await readWindow(connection(), call, sessionId, window) : undefined;
      if (read !== undefined) return read;
      const entries = await connection().run<Entry[]>(call, GET_HISTORY, [
        sessionId,
        limit,
        after === null ? "" : after + 1,
        before === null ? "" : Math.max(0, before - 1),
        after === null ? "0" : "1",
        ...(roles ?? []),
      ]);
      return entries.map(toMessage);
    },

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
