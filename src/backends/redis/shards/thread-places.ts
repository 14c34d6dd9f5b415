/**
 * Where threads are. A thread is in the shard of its id, or in that of the session that it was linked to, so that what is about both is
 * one script. A script itself says when the thread is not in its shard (`lua/guard.ts`); here the call finds its way.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type { Guard } from "../connection/shard-call.js";
import { replyCode } from "../errors.js";
import { BUCKETS } from "../lua/guard.js";
import { CLAIM_THREAD, LOCATE_THREAD, REMOVE_MARKS, VOID_CLAIMS, WALK_MARKS } from "../lua/placement.js";
import { shardOfId } from "./placing.js";
import { byShard, type Shards } from "./shards.js";
import { resolveMove, type StartedMove, ThreadMove, type ThreadPlace } from "./thread-move.js";

/** Threads that are not at home whose place is remembered. */
const REMEMBERED = 16_384;

/** How long a call waits for a thread that is on its way, before it ends the move itself, and how often it looks, in milliseconds. */
const PATIENCE_MS = 1_000;
const LOOK_MS = 10;

/** Marks that one step of a cleanup looks at. */
const MARKS_AT_ONCE = 500;

/** What the guard of a script says. */
type Refusal =
  | { readonly kind: "elsewhere"; readonly epoch: string | undefined }
  | { readonly kind: "leaving"; readonly note: string };

export class ThreadPlaces {
  readonly shards: Shards;
  /** A hint, as others move threads too. */
  readonly #known = new Map<string, number>();

  constructor(shards: Shards) {
    this.shards = shards;
  }

  /** Runs where the thread is, which is its home if it is not there. `run` may begin several times; what is refused has changed nothing. */
  async at<T>(call: Call, threadId: string, run: (call: Call, shard: number) => Promise<T>): Promise<T> {
    const patience = new Patience();
    for (let shard = this.#hint(call, threadId); ; ) {
      const result = await this.#attempt(call, shard, [this.guard(threadId, shard)], run);
      if ("value" in result) return result.value;
      if (result.kind === "leaving") await this.#waitFor(call, threadId, shard, result.note, patience);
      else shard = (await this.locate(call, threadId)).shard;
      if (call.cancelled) throw call.cancellation();
    }
  }

  /**
   * Runs in the shard of a session, and brings the thread there if it is elsewhere.
   * @param assertWorth throws before a thread is moved in vain
   * @param source a thread of that shard which the script reads
   * @throws SourceAway if it is not there any more
   */
  async into<T>(
    call: Call,
    threadId: string,
    shard: number,
    assertWorth: () => Promise<void>,
    run: (call: Call) => Promise<T>,
    source?: string,
  ): Promise<T> {
    const home = this.shards.of(threadId);
    const beside = source === undefined ? [] : [{ ...this.guard(source, shard), source: true }];
    const patience = new Patience();
    for (;;) {
      if (call.cancelled) throw call.cancellation();
      const first = await this.#attempt(call, shard, [...beside, this.guard(threadId, shard)], run);
      if ("value" in first) {
        this.#remember(call, threadId, shard);
        return first.value;
      }
      if (first.kind === "leaving") {
        await this.#waitFor(call, threadId, shard, first.note, patience);
        continue;
      }
      if (shard !== home && (await this.claim(call, threadId, shard))) {
        const guards = [...beside, this.guard(threadId, shard, first.epoch ?? "")];
        const begun = await this.#begin(call, threadId, shard, guards, run);
        if ("value" in begun) return begun.value;
        continue;
      }
      const place = await this.locate(call, threadId);
      if (!place.there || place.shard === shard) continue;
      await assertWorth();
      const move = await new ThreadMove(this.shards, threadId, place, shard).start(call);
      if ("again" in move) continue;
      if ("note" in move) {
        await this.#waitFor(call, threadId, place.shard, move.note, patience);
        continue;
      }
      const arrival = { ...this.guard(threadId, shard), arrival: move };
      const moved = await this.#moveAnd(call, threadId, shard, move, [...beside, arrival], run);
      if ("value" in moved) return moved.value;
    }
  }

  /** Where the thread is. A mark that leads nowhere is removed: a thread that is nowhere is at home, or begins there. */
  async locate(call: Call, threadId: string): Promise<ThreadPlace> {
    const home = this.shards.of(threadId);
    const { connection } = this.shards;
    for (;;) {
      if (call.cancelled) throw call.cancellation();
      const [mark, there] = await connection.run<[string | null, number]>(this.shards.call(call, home), LOCATE_THREAD, [
        threadId,
      ]);
      const shard = mark === null ? home : shardOfMark(mark);
      if (there === 1 || mark === null || shard === home) {
        this.#remember(call, threadId, home);
        return { shard: home, there: there === 1, mark };
      }
      const [left] = await this.#removeIdleMarks(call, home, shard, [[threadId, mark]]);
      if (left !== undefined) {
        this.#remember(call, threadId, shard);
        return { shard, there: true, mark };
      }
    }
  }

  /** Keeps the place in a shard for a thread that is nowhere yet; `false` if it is somewhere, or another shard is kept for it. */
  async claim(call: Call, threadId: string, shard: number): Promise<boolean> {
    const { connection } = this.shards;
    const args = [threadId, shard, randomUUID()];
    const claimed = await harmless(call, () =>
      connection.run<number>(this.shards.call(call, this.shards.of(threadId)), CLAIM_THREAD, args),
    );
    return claimed === 1;
  }

  /** Removes the marks of threads that are gone from a shard. */
  async forget(call: Call, shard: number, threadIds: readonly string[]): Promise<void> {
    const { connection } = this.shards;
    const away = threadIds.filter((id) => this.shards.of(id) !== shard);
    for (const [home, part] of byShard(away, (id) => this.shards.of(id))) {
      const ids = part.map(({ thing }) => thing);
      for (let from = 0; from < ids.length; from += MARKS_AT_ONCE) {
        const some = ids.slice(from, from + MARKS_AT_ONCE);
        const one = this.shards.call(call, home);
        const [marks] = ((await connection.read(one, [["hmget", `${connection.keyOf(one.tenant)}:th`, ...some]])) ?? [
          [],
        ]) as [(string | null)[]];
        const pairs = some.flatMap((id, i): [string, string][] => {
          const mark = marks[i] ?? null;
          return mark !== null && shardOfMark(mark) === shard ? [[id, mark]] : [];
        });
        if (pairs.length > 0) await this.#removeIdleMarks(call, home, shard, pairs);
      }
    }
    for (const id of threadIds) this.#remember(call, id, this.shards.of(id));
  }

  guard(threadId: string, shard: number, epoch?: string): Guard {
    const bucket = shardOfId(threadId, BUCKETS);
    return { threadId, bucket, home: shard === this.shards.of(threadId), epoch };
  }

  /** Removes marks of a shard's threads that lead nowhere, in bounded steps. */
  async removeIdleMarks(call: Call): Promise<void> {
    for (let home = 0; home < this.shards.count; home++) {
      for (let cursor = "0"; ; ) {
        const [next, ...flat] = await this.shards.connection.run<string[]>(this.shards.call(call, home), WALK_MARKS, [
          cursor,
          MARKS_AT_ONCE,
        ]);
        const marks = Array.from({ length: flat.length / 2 }, (_, i): [string, string] => [
          flat[2 * i] as string,
          flat[2 * i + 1] as string,
        ]);
        for (const [shard, some] of byShard(marks, ([, mark]) => shardOfMark(mark))) {
          if (call.cancelled) throw call.cancellation();
          await this.#removeIdleMarks(
            call,
            home,
            shard,
            some.map(({ thing }) => thing),
          );
        }
        cursor = next ?? "0";
        if (cursor === "0") break;
      }
    }
  }

  /** Gives the marks that stay, as their threads are there. Claims of the others are void before their marks go. */
  async #removeIdleMarks(
    call: Call,
    home: number,
    shard: number,
    marks: readonly (readonly [threadId: string, mark: string])[],
  ): Promise<(readonly [threadId: string, mark: string])[]> {
    const { connection } = this.shards;
    const asked = marks.flatMap(([threadId]) => [threadId, shardOfId(threadId, BUCKETS)]);
    const there = await harmless(call, () =>
      connection.run<number[]>(this.shards.call(call, shard), VOID_CLAIMS, asked),
    );
    const idle = marks.filter((_, i) => there[i] !== 1);
    if (idle.length > 0) {
      await harmless(call, () => connection.run(this.shards.call(call, home), REMOVE_MARKS, idle.flat()));
    }
    return marks.filter((_, i) => there[i] === 1);
  }

  async #begin<T>(
    call: Call,
    threadId: string,
    shard: number,
    guards: readonly Guard[],
    run: (call: Call) => Promise<T>,
  ): Promise<{ readonly value: T } | Refusal> {
    try {
      const begun = await this.#attempt(call, shard, guards, run);
      if ("value" in begun) this.#remember(call, threadId, shard);
      return begun;
    } catch (error) {
      // What was refused leaves a mark that leads nowhere; if it cannot be removed now, whoever comes across it does.
      await Promise.allSettled([this.locate(call, threadId)]);
      throw error;
    }
  }

  async #moveAnd<T>(
    call: Call,
    threadId: string,
    shard: number,
    move: StartedMove,
    guards: readonly Guard[],
    run: (call: Call) => Promise<T>,
  ): Promise<{ readonly value: T } | Refusal> {
    let done: { readonly value: T } | Refusal;
    try {
      done = await this.#attempt(call, shard, guards, run);
    } catch (error) {
      await Promise.allSettled([move.end(call)]);
      throw error;
    }
    await harmless(call, () => move.end(call), call.sent);
    if ("value" in done) this.#remember(call, threadId, shard);
    return done;
  }

  async #attempt<T>(
    call: Call,
    shard: number,
    guards: readonly Guard[],
    run: (call: Call, shard: number) => Promise<T>,
  ): Promise<{ readonly value: T } | Refusal> {
    try {
      return { value: await run(this.shards.call(call, shard, guards), shard) };
    } catch (error) {
      if (replyCode(error) === "WSAWAY") throw new SourceAway();
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      return refusal;
    }
  }

  async #waitFor(call: Call, threadId: string, shard: number, note: string, patience: Patience): Promise<void> {
    if (patience.isOver(note)) await resolveMove(this.shards, call, threadId, shard, note);
    else await sleep(LOOK_MS);
  }

  #hint(call: Call, threadId: string): number {
    return this.#known.get(`${call.tenant}\0${threadId}`) ?? this.shards.of(threadId);
  }

  #remember(call: Call, threadId: string, shard: number): void {
    const key = `${call.tenant}\0${threadId}`;
    this.#known.delete(key);
    if (shard === this.shards.of(threadId)) return;
    this.#known.set(key, shard);
    if (this.#known.size > REMEMBERED) for (const [oldest] of this.#known) return void this.#known.delete(oldest);
  }
}

/** The thread that a script reads beside its own is not in this shard any more. */
export class SourceAway extends Error {}

/** How long one and the same move has been waited for. */
class Patience {
  #note = "";
  #until = 0;

  isOver(note: string): boolean {
    if (note !== this.#note) {
      this.#note = note;
      this.#until = performance.now() + PATIENCE_MS;
    }
    return performance.now() >= this.#until;
  }
}

/** A step that nobody sees, whatever becomes of the call: it says nothing about whether a write was sent. */
export async function harmless<T>(call: Call, step: () => Promise<T>, sent: boolean = call.sent): Promise<T> {
  try {
    return await step();
  } finally {
    call.sent = sent;
  }
}

/** @param mark `shard name` */
function shardOfMark(mark: string): number {
  return Number(mark.slice(0, mark.indexOf(" ")));
}

function refusalOf(error: unknown): Refusal | undefined {
  const code = replyCode(error);
  const words = isError(error) ? error.message : "";
  if (code === "WSELSEWHERE") return { kind: "elsewhere", epoch: words.split(" ")[1] };
  if (code === "WSLEAVING") return { kind: "leaving", note: words.slice("WSLEAVING ".length) };
  return undefined;
}
