/** Conversations of the Redis backend (C1-C6). */
import type { Call } from "../../domain/driver/call.js";
import type { ConversationDriver, HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import type { Connection } from "./connection/connection.js";
import { readTexts, storeTexts, whole } from "./long-texts.js";
import { ADD_MESSAGES, DELETE_MESSAGES, GET_HISTORY } from "./lua/conversations.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";

/** An entry of the stream: `seq-0`, and names and values in the order in which they are added. */
export type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

export function conversationVerbs(connection: () => Connection): ConversationDriver {
  return {
    async addMessages(call, sessionId, messages, fence) {
      const contents = messages.map(({ content }) => String(content));
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
        if (earlier !== undefined) {
          return toMessage([Buffer.from(`${seq}-0`), earlier.map((field) => Buffer.from(field))]);
        }
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
    ({ content }) => String(content),
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
  const read = await connection.read(call, [["hget", `${key}:s:${sessionId}`, "t"], range], { binary: true });
  if (read === undefined) return undefined;
  const [ttl, entries] = read as [Buffer | null, Entry[]];
  if (ttl === null) return (after === null ? entries.reverse() : entries).map(toMessage);
  connection.expiring.sessions = true;
  return undefined;
}

/** Of bytes: names of fields, numbers and empty metadata, which are most of an entry, are not made texts. */
export function toMessage([id, fields]: Entry): StoredMessage {
  return {
    seq: numberOf(id),
    messageId: textAt(fields, 1),
    role: textAt(fields, 3),
    content: textAt(fields, 9),
    metadata: fields[7]?.length === EMPTY.length ? EMPTY : textAt(fields, 7),
    timestamp: numberOf(fields[5] as Buffer),
  };
}

/** The text of no metadata, and of no other. */
const EMPTY = "{}";

function textAt(fields: readonly Buffer[], at: number): string {
  return (fields[at] as Buffer).toString();
}

const ZERO = 0x30;
const MINUS = 0x2d;

/** The whole number that bytes begin with. */
function numberOf(bytes: Buffer): number {
  const isNegative = bytes[0] === MINUS;
  let number = 0;
  for (let i = isNegative ? 1 : 0; i < bytes.length && (bytes[i] as number) >= ZERO; i++) {
    number = number * 10 + (bytes[i] as number) - ZERO;
  }
  return isNegative ? -number : number;
}
