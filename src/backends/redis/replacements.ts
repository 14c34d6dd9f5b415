/** Values in the place of stored ones, in the Redis backend (P2). */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../../contract/json.js";
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointReplacementRow, ReplacementOf, ReplacementRow } from "../../domain/driver/replacements.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { splitState } from "../../domain/segments/split.js";
import { packBlock, packedText, packWriteName, placeOf } from "./checkpoint-rows.js";
import { askForBlocks, namesOf, sendingOf, stageBlocks, unstageBlocks } from "./checkpoints.js";
import type { RedisArgument } from "./connection/client.js";
import type { Connection } from "./connection/connection.js";
import { type Entry, toMessage } from "./conversations.js";
import { itemPlace } from "./item-rows.js";
import { markOf, nameOfMark } from "./long-texts.js";
import { REPLACE_MESSAGES, REPLACE_STATE, REPLACE_VALUES } from "./lua/replacements.js";
import { metadataFields } from "./session-rows.js";
import type { Store } from "./store.js";

type Message = ReplacementOf<"message">;
type Short = Exclude<ReplacementRow, CheckpointReplacementRow | Message>;

/** Values of one script. */
const AT_ONCE = 50;

/** Longest pause while another run replaces messages of the same session, in milliseconds. */
const LONGEST_PAUSE_MS = 50;

export async function replaceStored(
  store: Store,
  call: Call,
  replacements: readonly ReplacementRow[],
): Promise<boolean[]> {
  const results = replacements.map(() => false);
  const short: { readonly at: number; readonly row: Short }[] = [];
  const messages = new Map<string, { readonly at: number; readonly row: Message }[]>();
  for (const [at, row] of replacements.entries()) {
    if (row.kind === "checkpoint") results[at] = await replaceState(store, call, row);
    else if (row.kind === "message") {
      const ofSession = messages.get(row.sessionId) ?? [];
      ofSession.push({ at, row });
      messages.set(row.sessionId, ofSession);
    } else short.push({ at, row });
  }
  for (let from = 0; from < short.length; from += AT_ONCE) {
    const some = short.slice(from, from + AT_ONCE);
    const args: RedisArgument[] = [];
    for (const { row } of some) args.push(...(await argumentsOf(store.connection, call, row)));
    const done = await store.connection.run<number[]>(call, REPLACE_VALUES, args);
    for (const [i, { at }] of some.entries()) results[at] = done[i] === 1;
  }
  for (const [sessionId, ofSession] of messages) {
    const rows = ofSession.map(({ row }) => row);
    const done = await replaceMessages(store.connection, call, sessionId, rows);
    for (const { at, row } of ofSession) results[at] = done.has(row);
  }
  return results;
}

async function argumentsOf(connection: Connection, call: Call, row: Short): Promise<RedisArgument[]> {
  const B = `${connection.keyOf(call.tenant)}:`;
  const read = async (...command: [string, ...string[]]): Promise<string | null> =>
    (await connection.plain(call, [command]))[0] as string | null;
  switch (row.kind) {
    case "session": {
      const fields = (text: string): RedisArgument[] => counted(metadataFields(JSON.parse(text) as JsonObject));
      return ["s", row.sessionId, ...fields(row.from.metadata), ...fields(row.to.metadata)];
    }
    case "task_context": {
      const { from, to } = row;
      const known = await markOf(connection, call, from.context, async () => {
        const context = await read("hget", `${B}s:${row.sessionId}`, "x");
        return context === null ? null : read("hget", `${B}x:${context}`, `c${row.version}`);
      });
      return ["x", row.sessionId, row.version, from.metadata, known, to.sizeBytes, to.metadata, to.context];
    }
    case "write": {
      const name = `${placeOf(row.namespace, row.checkpointId)}\0${packWriteName(row)}`;
      const known = await markOf(connection, call, row.from.value, async () =>
        packedText(await read("hget", `${B}w:${row.threadId}`, name)),
      );
      return ["w", row.threadId, name, known, row.to.value];
    }
    case "item": {
      const known = await markOf(connection, call, row.from.value, async () =>
        packedText(await read("hget", `${B}it`, itemPlace(row))),
      );
      return ["i", itemPlace(row), known, row.to.value];
    }
  }
}

function counted(fields: readonly string[]): RedisArgument[] {
  return [fields.length / 2, ...fields];
}

/** Gives those that were replaced. */
async function replaceMessages(
  connection: Connection,
  call: Call,
  sessionId: string,
  messages: readonly Message[],
): Promise<ReadonlySet<Message>> {
  // Of two about one message the first counts.
  const bySeq = new Map<number, Message>();
  for (const message of messages) if (!bySeq.has(message.seq)) bySeq.set(message.seq, message);
  const ordered = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  for (let pause = 2; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const done = await replaceInCopy(connection, call, sessionId, ordered);
    if (done !== undefined) return new Set([...done].flatMap((seq) => bySeq.get(seq) ?? []));
    call.sent = false;
    await sleep(Math.random() * pause);
    if (call.cancelled) throw call.cancellation();
  }
}

/** `undefined` when it has to begin anew: nothing was replaced. */
async function replaceInCopy(
  connection: Connection,
  call: Call,
  sessionId: string,
  ordered: readonly Message[],
): Promise<ReadonlySet<number> | undefined> {
  const run = randomUUID();
  const done = new Set<number>();
  const marks = new Map<number, string>();
  let begins = true;
  for (let from = 0; ; ) {
    const some = ordered.slice(from, from + AT_ONCE);
    const isLast = from + AT_ONCE >= ordered.length;
    const args: RedisArgument[] = [];
    for (const { seq, from: known, to } of some) {
      const stored = await markOf(connection, call, known.content, () => contentOf(connection, call, sessionId, seq));
      const mark = nameOfMark(stored);
      if (mark !== undefined) marks.set(seq, mark);
      args.push(seq, known.metadata, stored, to.metadata, to.content);
    }
    const flags = [begins ? "1" : "0", isLast ? "0" : "1"];
    const reply = await connection.run<[string, ...string[]]>(call, REPLACE_MESSAGES, [
      sessionId,
      run,
      ...flags,
      ...args,
    ]);
    const [verdict, ...seqs] = reply;
    if (verdict === "N") return new Set();
    if (verdict === "W" || verdict === "R") return undefined;
    for (const seq of seqs) done.add(Number(seq));
    if (verdict === "O") {
      await dropTexts(
        connection,
        call,
        sessionId,
        [...marks].flatMap(([seq, name]) => (done.has(seq) ? [name] : [])),
      );
      return done;
    }
    // Nobody sees the copy yet.
    call.sent = false;
    begins = false;
    if (verdict === "M") from += AT_ONCE;
    if (call.cancelled) throw call.cancellation();
  }
}

/** The content of a message as it is stored. */
async function contentOf(
  connection: Connection,
  call: Call,
  sessionId: string,
  seq: number,
): Promise<string | undefined> {
  const key = `${connection.keyOf(call.tenant)}:m:${sessionId}`;
  const [found] = (await connection.plain(call, [["xrange", key, seq, seq]], { binary: true })) as [Entry[]];
  return found[0] === undefined ? undefined : String(toMessage(found[0]).content);
}

/** Long contents that were replaced; no message has them any more. */
async function dropTexts(
  connection: Connection,
  call: Call,
  sessionId: string,
  names: readonly string[],
): Promise<void> {
  const B = `${connection.keyOf(call.tenant)}:`;
  for (const name of names) {
    await connection.plain(call, [
      ["unlink", `${B}v:${name}`],
      ["srem", `${B}mv:${sessionId}`, name],
    ]);
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

async function replaceState(
  store: Store,
  call: Call,
  { threadId, namespace, checkpointId, from, to }: CheckpointReplacementRow,
): Promise<boolean> {
  const { tenant } = call;
  const thread = threadKey(tenant, threadId);
  const state = splitState(to.data, store.outlines.get(thread, namespace));
  store.outlines.keep(thread, namespace, state.outline);
  let sending = sendingOf(state, store.blocks.of(tenant, threadId));
  if (sending.assumed.length === 0 && sending.blocks.length > 1) {
    sending = sendingOf(state, await askForBlocks(store, call, threadId, sending.blocks));
  }
  let staged = await stageBlocks(store, call, threadId, sending.blocks);
  const known = [from.etag ?? "-", from.data ?? "", from.metadata];
  const next = [to.sizeBytes, state.root ?? "-", to.metadata, state.manifest];
  for (;;) {
    const blocks = sending.blocks
      .slice(staged)
      .flatMap((block): RedisArgument[] => [Buffer.from(block.name, "hex"), packBlock(block)]);
    const args = [threadId, namespace, checkpointId, ...known, ...next, ...blocks];
    const [verdict] = await store.connection.run<[string]>(call, REPLACE_STATE, args);
    if (verdict !== "O" && staged > 0) await unstageBlocks(store, call, threadId, sending.blocks.slice(0, staged));
    if (verdict === "B") {
      // Somebody has removed what this process thought to be there.
      store.blocks.forget(tenant, threadId);
      sending = sendingOf(state, NO_NAMES);
      staged = 0;
      continue;
    }
    if (verdict === "O" && state.root !== null) store.blocks.remember(tenant, threadId, namesOf(sending));
    return verdict === "O";
  }
}
