/**
 * Moving a thread to the shard of the session that it is linked to: it is expected there, stops to be written to where it is, is copied, and is
 * taken over by the very script that stores the checkpoint, which decides about the move too. Then its home is told, and what it has left goes. Whoever
 * comes across a move that has stopped on its way ends it: it has happened if the thread has arrived, and otherwise never will.
 */
import { randomUUID } from "node:crypto";
import type { Call } from "../../../domain/driver/call.js";
import type { ThreadListing } from "../../../domain/driver/storage-driver.js";
import type { Connection } from "../connection/connection.js";
import {
  DUMP_TEXT,
  EXPECT_NO_MORE,
  EXPECT_THREAD,
  FORGET_ARRIVAL,
  GIVE_UP_ARRIVAL,
  LEAVE_SHARD,
  MARK_THREAD,
  RECEIVE_KEY,
  REMOVE_LEFT,
  STAY_IN_SHARD,
  TEXTS_OF_THREAD,
} from "../lua/placement.js";
import { flatFields } from "../session-rows.js";
import { type ThreadRow, walkThreads } from "../thread-rows.js";
import type { Shards } from "./shards.js";

export interface ThreadPlace {
  readonly shard: number;
  readonly there: boolean;
  /** What its home says. */
  readonly mark: string | null;
}

export interface StartedMove {
  readonly name: string;
  /** Keys that have arrived. */
  readonly keys: number;
  /** Ends the move, whichever way it went. */
  end(call: Call): Promise<void>;
}

/** What became of the beginning; `again` if the thread is not there any more, `note` if it is leaving already. */
type Beginning = StartedMove | { readonly again: true } | { readonly note: string };

export class ThreadMove {
  readonly #shards: Shards;
  readonly #threadId: string;
  readonly #from: ThreadPlace;
  readonly #to: number;
  /** Says from which shard, too. */
  readonly #name: string;

  constructor(shards: Shards, threadId: string, from: ThreadPlace, to: number) {
    this.#shards = shards;
    this.#threadId = threadId;
    this.#from = from;
    this.#to = to;
    this.#name = `${from.shard}.${randomUUID()}`;
  }

  async start(call: Call): Promise<Beginning> {
    const sent = call.sent;
    try {
      return await this.#start(call);
    } finally {
      // Nobody sees any of it yet.
      call.sent = sent;
    }
  }

  async #start(call: Call): Promise<Beginning> {
    const { connection } = this.#shards;
    const [source, target] = [this.#shards.call(call, this.#from.shard), this.#shards.call(call, this.#to)];
    const id = this.#threadId;
    const name = this.#name;
    // Of two who would move it the one that comes later waits.
    const [leaving] = (await connection.read(source, [["hget", rowOf(connection, source, id), "z"]])) ?? [];
    if (typeof leaving === "string") return { note: leaving };
    if ((await connection.run<number>(target, EXPECT_THREAD, [id, name])) === 0) return { again: true };
    const mark = this.#from.mark ?? "-";
    const note = `${this.#to} ${name} ${mark}`;
    const reply = await connection.run<Buffer[]>(source, LEAVE_SHARD, [id, this.#to, name, mark]);
    const [verdict, ...payloads] = reply;
    if (String(verdict) !== "O") {
      await connection.run(target, EXPECT_NO_MORE, [id, name]);
      return String(verdict) === "L" ? { note: String(payloads[0]) } : { again: true };
    }
    const end = (ending: Call): Promise<void> => resolveMove(this.#shards, ending, id, this.#from.shard, note);
    let texts: string[] = [];
    try {
      for (let i = 0; i < payloads.length; i += 2) {
        await connection.run(target, RECEIVE_KEY, [id, name, String(payloads[i]), payloads[i + 1] as Buffer]);
      }
      // Nobody changes long texts; one that is gone has gone with the thread, and the move comes to nothing.
      texts = await connection.run<string[]>(source, TEXTS_OF_THREAD, [id]);
      for (const text of texts) {
        const payload = await connection.run<Buffer | null>(source, DUMP_TEXT, [text]);
        if (payload !== null) await connection.run(target, RECEIVE_KEY, [id, name, `v${text}`, payload]);
      }
    } catch (error) {
      await Promise.allSettled([end(call)]);
      throw error;
    }
    return { name, keys: payloads.length / 2 + texts.length, end };
  }
}

/** Threads of one shard that are there for readers, but for those that have left it and are still in its index. */
export async function* walkThreadsHere(
  shards: Shards,
  call: Call,
  shard: number,
  listing: Omit<ThreadListing, "limit">,
  first: number,
): AsyncGenerator<ThreadRow, void, void> {
  for await (const thread of walkThreads(shards.connection, shards.call(call, shard), listing, first)) {
    const { threadId, leaves } = thread;
    if (leaves === null || !(await hasArrived(shards, call, threadId, leaves))) yield thread;
  }
}

function rowOf(connection: Connection, call: Call, threadId: string): string {
  return `${connection.keyOf(call.tenant)}:t:${threadId}`;
}

/** Whether a thread has arrived where its row says that it leaves for. */
async function hasArrived(shards: Shards, call: Call, threadId: string, note: string): Promise<boolean> {
  const [to = "", name = ""] = note.split(" ");
  const target = shards.call(call, Number(to));
  const key = `${shards.connection.keyOf(target.tenant)}:to`;
  const read = await shards.connection.read(target, [["hget", key, threadId]]);
  return read?.[0] === name;
}

/**
 * Ends moves whose makers have gone: those that have arrived, and if it is asked for those that have not.
 */
export async function endMoves(shards: Shards, call: Call, which: "arrived" | "all"): Promise<void> {
  const { connection } = shards;
  await shards.ask(call, async (target) => {
    const key = (name: string): string => `${connection.keyOf(target.tenant)}:${name}`;
    const [arrived, expected] = ((await connection.read(target, [
      ["hgetall", key("to")],
      ["hkeys", key("ty")],
    ])) ?? [[], []]) as [unknown, string[]];
    const fields = flatFields(arrived);
    const moves = fields.flatMap((id, i) => (i % 2 === 0 ? [[id, fields[i + 1] as string] as const] : []));
    for (const field of which === "all" ? expected : []) {
      const space = field.indexOf(" ");
      moves.push([field.slice(space + 1), field.slice(0, space)]);
    }
    for (const [threadId, name] of moves) {
      if (call.cancelled) throw call.cancellation();
      await endMove(shards, call, target, threadId, name);
    }
  });
}

async function endMove(shards: Shards, call: Call, target: Call, threadId: string, name: string): Promise<void> {
  const { connection } = shards;
  const from = Number.parseInt(name, 10);
  const source = shards.call(call, from);
  const [note] = (await connection.read(source, [["hget", rowOf(connection, source, threadId), "z"]])) ?? [];
  if (typeof note === "string" && note.split(" ")[1] === name) {
    await resolveMove(shards, call, threadId, from, note);
    return;
  }
  const sent = call.sent;
  try {
    // Nothing is left where it came from.
    if ((await connection.run<number>(target, GIVE_UP_ARRIVAL, [threadId, name])) === 1) {
      await connection.run(target, FORGET_ARRIVAL, [threadId, name]);
    }
  } finally {
    call.sent = sent;
  }
}

/**
 * Ends a move that began in this shard.
 * @param note what the thread's row says: the shard that it goes to, the name of the move, and the mark at its home
 */
export async function resolveMove(
  shards: Shards,
  call: Call,
  threadId: string,
  from: number,
  note: string,
): Promise<void> {
  const { connection } = shards;
  const [, to = "", name = "", mark = ""] = /^(\d+) (\S+) (.*)$/.exec(note) ?? [];
  const [source, target] = [shards.call(call, from), shards.call(call, Number(to))];
  const sent = call.sent;
  try {
    const arrived = await connection.run<number>(target, GIVE_UP_ARRIVAL, [threadId, name]);
    if (arrived === 0) {
      await connection.run(source, STAY_IN_SHARD, [threadId, note]);
      return;
    }
    const home = shards.of(threadId);
    // Where the thread has come home, the script that took it over has removed the mark.
    if (Number(to) !== home)
      await connection.run(shards.call(call, home), MARK_THREAD, [threadId, mark, `${to} ${name}`]);
    await connection.run(source, REMOVE_LEFT, [threadId, note]);
    await connection.run(target, FORGET_ARRIVAL, [threadId, name]);
  } finally {
    call.sent = sent;
  }
}
