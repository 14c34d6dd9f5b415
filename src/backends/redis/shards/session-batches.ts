/**
 * Creating sessions of several shards, all or none (S1): every shard keeps the ids, then the first one decides, then all follow. Whoever comes
 * across an id that is kept carries out what was decided; a batch whose maker has gone without a decision is given up.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "../../../domain/driver/call.js";
import type { NewStoredSession } from "../../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../../domain/driver/stored.js";
import { newSession } from "../../../domain/sessions.js";
import {
  APPLY_SESSION_BATCH,
  ASK_SESSION_BATCH,
  DECIDE_SESSION_BATCH,
  FORGET_SESSION_BATCH,
  FREE_SESSION_IDS,
  KEEP_SESSION_IDS,
} from "../lua/session-batches.js";
import { KeptForBatch, newSessionArguments, withTtl } from "../sessions.js";
import { byShard, type Shards } from "./shards.js";
import { harmless } from "./thread-places.js";

/** How long a batch may take to decide before who waits for it gives it up, and how often that one looks, in milliseconds. */
const PATIENCE_MS = 1_000;
const LOOK_MS = 10;

type Created = { readonly exists: string } | { readonly sessions: StoredSession[] };
type Part = readonly { readonly thing: NewStoredSession; readonly at: number }[];

export class SessionBatches {
  readonly #shards: Shards;

  constructor(shards: Shards) {
    this.#shards = shards;
  }

  async create(call: Call, sessions: readonly NewStoredSession[]): Promise<Created> {
    const given = withTtl(this.#shards.connection, sessions);
    const parts = [...byShard(given, ({ sessionId }) => this.#shards.of(sessionId))].sort(([a], [b]) => a - b);
    return this.waiting(call, async () => {
      for (;;) {
        const created = await this.#attempt(call, given, parts);
        if (created !== undefined) return created;
        if (call.cancelled) throw call.cancellation();
      }
    });
  }

  /** Runs what may come across an id that is kept for a batch, again once that is settled. */
  async waiting<T>(call: Call, run: () => Promise<T>): Promise<T> {
    let waitingFor = "";
    for (let end = 0; ; ) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof KeptForBatch)) throw error;
        if (error.note !== waitingFor) end = performance.now() + PATIENCE_MS;
        waitingFor = error.note;
        const shard = this.#shards.of(error.sessionId);
        const settled = await this.#settle(call, shard, [error.sessionId], error.note, performance.now() >= end);
        if (!settled) await sleep(LOOK_MS);
      }
      if (call.cancelled) throw call.cancellation();
    }
  }

  /** Carries out what was decided about ids that are not there for readers; `true` if there may be more now. */
  async carryOut(call: Call, sessionIds: readonly string[]): Promise<boolean> {
    const { connection } = this.#shards;
    const parts = [...byShard(sessionIds, (id) => this.#shards.of(id))];
    const settled = await Promise.all(
      parts.map(async ([shard, part]) => {
        const ids = part.map(({ thing }) => thing);
        const one = this.#shards.call(call, shard);
        const [notes] = ((await connection.read(one, [["hmget", `${connection.keyOf(one.tenant)}:rs`, ...ids]])) ?? [
          [],
        ]) as [(string | null)[]];
        return this.#settleAll(
          call,
          shard,
          ids.map((id, i) => [id, notes[i] ?? null]),
          false,
        );
      }),
    );
    return settled.some(Boolean);
  }

  /** Carries out all that is decided; gives up what is not, if that is asked for. */
  async carryOutAll(call: Call, giveUp: boolean): Promise<void> {
    const { connection } = this.#shards;
    await this.#shards.ask(call, async (one, shard) => {
      const read = await connection.read(one, [["hgetall", `${connection.keyOf(one.tenant)}:rs`]]);
      const kept = read?.[0] ?? [];
      const flat = Array.isArray(kept) ? (kept as string[]) : Object.entries(kept as object).flat();
      const notes: [string, string][] = [];
      for (let i = 0; i < flat.length; i += 2) notes.push([flat[i] as string, flat[i + 1] as string]);
      await this.#settleAll(call, shard, notes, giveUp);
    });
  }

  async #settleAll(
    call: Call,
    shard: number,
    notes: readonly (readonly [id: string, note: string | null])[],
    giveUp: boolean,
  ): Promise<boolean> {
    let any = false;
    for (const note of new Set(notes.flatMap(([, each]) => each ?? []))) {
      const ids = notes.filter(([, each]) => each === note).map(([id]) => id);
      any = (await this.#settle(call, shard, ids, note, giveUp)) || any;
    }
    return any;
  }

  /** `false` if nothing is decided yet. */
  #settle(call: Call, shard: number, ids: readonly string[], note: string, giveUp: boolean): Promise<boolean> {
    const { connection } = this.#shards;
    const [name = "", decider = ""] = note.split(" ");
    return harmless(call, async () => {
      const decided = await connection.run<string | null>(this.#shards.call(call, Number(decider)), ASK_SESSION_BATCH, [
        name,
        giveUp ? "1" : "0",
      ]);
      if (decided === null) return false;
      const here = this.#shards.call(call, shard);
      if (decided === "-") await connection.run(here, FREE_SESSION_IDS, [name, ...ids]);
      else await connection.run(here, APPLY_SESSION_BATCH, [name, decided, ...ids]);
      return true;
    });
  }

  /** `undefined` if somebody has given the batch up meanwhile. */
  async #attempt(
    call: Call,
    given: readonly NewStoredSession[],
    parts: readonly (readonly [shard: number, part: Part])[],
  ): Promise<Created | undefined> {
    const { connection } = this.#shards;
    const name = randomUUID();
    const [first] = parts as readonly [readonly [number, Part]];
    const decider = first[0];
    const at = (shard: number): Call => this.#shards.call(call, shard);
    const idsOf = (part: Part): string[] => part.map(({ thing }) => thing.sessionId);
    const free = async (): Promise<void> => {
      for (const [shard, part] of parts) await connection.run(at(shard), FREE_SESSION_IDS, [name, ...idsOf(part)]);
      await connection.run(at(decider), FORGET_SESSION_BATCH, [name]);
    };
    const keep = async (): Promise<string | undefined> => {
      for (const [shard, part] of parts) {
        const args = [name, decider, ...newSessionArguments(part.map(({ thing }) => thing))];
        const [verdict, id = "", note = ""] = await connection.run<string[]>(at(shard), KEEP_SESSION_IDS, args);
        if (verdict === "E") return id;
        if (verdict === "P") throw new KeptForBatch(id, note);
      }
      return undefined;
    };
    let exists: string | undefined;
    try {
      exists = await harmless(call, keep);
    } catch (error) {
      await Promise.allSettled([harmless(call, free)]);
      throw error;
    }
    if (exists !== undefined) {
      await harmless(call, free);
      return { exists };
    }
    const [time] = await connection.run<string[]>(at(decider), DECIDE_SESSION_BATCH, [name, ...idsOf(first[1])]);
    if (time === undefined) {
      await harmless(call, free, false);
      return undefined;
    }
    for (const [shard, part] of parts.slice(1)) {
      await connection.run(at(shard), APPLY_SESSION_BATCH, [name, time, ...idsOf(part)]);
    }
    await connection.run(at(decider), FORGET_SESSION_BATCH, [name]);
    return { sessions: given.map((session) => newSession(session, Number(time))) };
  }
}
