/** Which sessions and threads have only grown since the fallback got them, and how far it has them. What is not known is copied whole. */
import { performance } from "node:perf_hooks";
import type { CheckpointInfo } from "../../contract/checkpoint-storage.js";
import type { StorageRecord } from "../../contract/records.js";
import { type Addition, checkpointName } from "./additions.js";
import type { Mark } from "./marks.js";
import { type Unit, unitName } from "./unit.js";

/** Sessions and threads that are known. */
const MAX_TRACKS = 10_000;

/** Newest checkpoints of a thread that are known by name, so that later writes of theirs are found. */
const MAX_NAMES = 16;

/** Additions to a thread between two copies. */
const MAX_TOUCHES = 256;

/** A write that nobody knows the outcome of may come so late. */
const DOUBT_MS = 60_000;

/** How far the fallback has a session. */
export interface SessionReach {
  /** Largest `seq` of a message that was copied. */
  readonly seq: number;
  /** What the copied row says. */
  readonly lastSeq: number;
  readonly messageCount: number;
}

/** How far the fallback has a thread. */
export interface ThreadReach {
  /** Largest `seq` of a checkpoint that was copied. */
  readonly seq: number;
  /** What the copied row says. */
  readonly lastSeq: number;
  readonly link: string | undefined;
  /** Newest checkpoints, with their `seq`. */
  readonly names: ReadonlyMap<string, number>;
}

/** What of a thread is to be copied. */
export interface ThreadTail {
  readonly reach: ThreadReach;
  /** Writes of checkpoints with a larger `seq`. */
  readonly writesAfter: number;
  /** Checkpoints that have to be in the tail, because they got writes and are not known. */
  readonly awaited: readonly string[];
}

/** An addition to a thread that has ended. */
interface Touch {
  readonly at: number;
  readonly name: string;
  readonly link?: string | undefined;
  /** Of a checkpoint that was stored. */
  readonly seq?: number;
  /** A checkpoint with a larger `seq` was new. */
  readonly newFrom?: number;
}

/** Changes other than additions: under way, and when the last one ended. */
interface Breaks {
  running: number;
  count: number;
  at: number;
  doubtedUntil: number;
}

interface Track extends Breaks {
  session: SessionReach | undefined;
  thread: ThreadReach | undefined;
  touches: Touch[];
  /** Additions under way. */
  open: number;
  /** Checkpoints that are being stored, and whether more than once at a time. */
  readonly storing: Map<string, { count: number; isShared: boolean }>;
}

/** One write from its beginning to its end. */
export interface Change {
  /** Only the first end counts. @param result what the operation gave, where it is `done` */
  end(outcome: "nothing" | "unknown" | "done", result?: unknown): void;
}

export class Growth {
  readonly #tracks = new Map<string, Track>();
  readonly #tenants = new Map<string, Breaks>();
  #clock = 0;

  /** A write is about to be sent. @param addition all that it does, if that is known */
  begin(marks: readonly Mark[], addition: Addition | undefined): Change {
    const ends = marks.flatMap((mark) => this.#beginAt(mark, addition) ?? []);
    let isOver = false;
    return {
      end: (outcome, result) => {
        if (isOver) return;
        isOver = true;
        for (const end of ends) end(outcome, result);
      },
    };
  }

  /** Begins to copy; `learn` wants to know when that was. */
  startPass(): number {
    if (this.#tracks.size > MAX_TRACKS) this.#forgetOldest();
    this.#clock += 1;
    return this.#clock;
  }

  session(tenant: string, id: string): SessionReach | undefined {
    return this.#tracks.get(unitName(tenant, { kind: "session", id }))?.session;
  }

  /** `undefined` if there is more to it than a tail. */
  thread(tenant: string, id: string): ThreadTail | undefined {
    const track = this.#tracks.get(unitName(tenant, { kind: "thread", id }));
    const reach = track?.thread;
    if (track === undefined || reach === undefined) return undefined;
    let writesAfter = reach.seq;
    const awaited: string[] = [];
    for (const { name, link, seq, newFrom } of track.touches) {
      if (link !== undefined && link !== reach.link) return undefined;
      if (seq === undefined) {
        const known = reach.names.get(name);
        if (known === undefined) awaited.push(name);
        else writesAfter = Math.min(writesAfter, known - 1);
        // What is not later than the last copy is in it only if it was new then.
      } else if (seq <= reach.seq && (newFrom === undefined || seq <= newFrom)) return undefined;
    }
    return { reach, writesAfter, awaited };
  }

  /**
   * The fallback has these sessions and threads now, as they were read after a pass began.
   * @param isTail they go on from what was known
   */
  learn(tenant: string, pass: number, records: readonly StorageRecord[], isTail: boolean): void {
    for (const [i, record] of records.entries()) {
      if (record.kind === "session") {
        const unit: Unit = { kind: "session", id: record.session_id };
        this.#know(tenant, unit, pass, (track) => {
          if (!isTail || track.session !== undefined) {
            track.session = sessionReach(records, i, isTail ? track.session : undefined);
          }
        });
      }
      if (record.kind === "thread") {
        const unit: Unit = { kind: "thread", id: record.thread_id };
        this.#know(tenant, unit, pass, (track) => {
          if (!isTail || track.thread !== undefined) {
            track.thread = threadReach(records, i, isTail ? track.thread : undefined);
          }
        });
      }
    }
  }

  forget(tenant: string, unit: Unit): void {
    const track = this.#tracks.get(unitName(tenant, unit));
    if (track !== undefined) forgetReach(track);
  }

  /** Another store is in charge. */
  clear(): void {
    for (const track of this.#tracks.values()) {
      forgetReach(track);
      track.at = this.#clock;
    }
  }

  #beginAt({ tenant, unit, name }: Mark, addition: Addition | undefined): Change["end"] | undefined {
    if (unit.kind === "tenant") return this.#beginBreak(this.#breaksOf(tenant), tenant);
    if (unit.kind === "context") {
      return this.#beginBreak(this.#track(unitName(tenant, { kind: "session", id: unit.sessionId })));
    }
    if (unit.kind !== "session" && unit.kind !== "thread") return undefined;
    const track = this.#track(name);
    if (addition === undefined) return this.#beginBreak(track);
    const end = unit.kind === "thread" ? this.#beginTouch(track, addition) : undefined;
    track.open += 1;
    return (outcome, result) => {
      track.open -= 1;
      end?.(outcome, result);
      if (outcome === "unknown") this.#break(track, true);
    };
  }

  #beginBreak(breaks: Breaks, tenant?: string): Change["end"] {
    const stop = (isDoubted: boolean): void => {
      this.#break(breaks, isDoubted);
      if (tenant !== undefined) this.#forgetTenant(tenant);
    };
    breaks.running += 1;
    stop(false);
    return (outcome) => {
      breaks.running -= 1;
      stop(outcome === "unknown");
    };
  }

  #beginTouch(track: Track, addition: Addition): Change["end"] {
    if (addition.kind !== "checkpoint") {
      return (outcome) => {
        if (outcome === "done" && addition.kind === "writes")
          this.#touch(track, { at: this.#clock, name: addition.name });
      };
    }
    const { name, link } = addition;
    const { touches, storing, thread, count } = track;
    const store = storing.get(name) ?? { count: 0, isShared: false };
    if (store.count > 0) store.isShared = true;
    store.count += 1;
    storing.set(name, store);
    const isAgain = touches.some((touch) => touch.seq !== undefined && touch.name === name);
    return (outcome, result) => {
      store.count -= 1;
      if (store.count === 0) storing.delete(name);
      if (outcome !== "done") return;
      const { seq } = result as CheckpointInfo;
      const mayBeOld = isAgain || store.isShared || track.count !== count || thread === undefined;
      this.#touch(track, { at: this.#clock, name, link, seq, ...(mayBeOld ? {} : { newFrom: thread.seq }) });
    };
  }

  #touch(track: Track, touch: Touch): void {
    track.touches.push(touch);
    if (track.touches.length > MAX_TOUCHES) this.#break(track, false);
  }

  #break(breaks: Breaks | Track, isDoubted: boolean): void {
    breaks.at = this.#clock;
    breaks.count += 1;
    if (isDoubted) breaks.doubtedUntil = performance.now() + DOUBT_MS;
    if ("touches" in breaks) forgetReach(breaks);
  }

  #know(tenant: string, unit: Unit, pass: number, set: (track: Track) => void): void {
    const name = unitName(tenant, unit);
    const track = this.#track(name);
    const isBroken = ({ running, at, doubtedUntil }: Breaks): boolean =>
      running > 0 || at >= pass || performance.now() < doubtedUntil;
    if (isBroken(track) || isBroken(this.#breaksOf(tenant))) {
      forgetReach(track);
      return;
    }
    set(track);
    track.touches = track.touches.filter(({ at }) => at >= pass);
    // The newest are last.
    this.#tracks.delete(name);
    this.#tracks.set(name, track);
  }

  #track(name: string): Track {
    const known = this.#tracks.get(name);
    if (known !== undefined) return known;
    const track: Track = {
      ...unbroken(),
      session: undefined,
      thread: undefined,
      touches: [],
      open: 0,
      storing: new Map(),
    };
    this.#tracks.set(name, track);
    return track;
  }

  #breaksOf(tenant: string): Breaks {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const breaks = unbroken();
    this.#tenants.set(tenant, breaks);
    return breaks;
  }

  #forgetTenant(tenant: string): void {
    const start = JSON.stringify([tenant]).slice(0, -1);
    for (const [name, track] of this.#tracks) if (name.startsWith(`${start},`)) forgetReach(track);
  }

  #forgetOldest(): void {
    let tooMany = this.#tracks.size - MAX_TRACKS / 2;
    for (const [name, { running, open }] of this.#tracks) {
      if (tooMany <= 0) return;
      // What is under way keeps its track.
      if (running > 0 || open > 0) continue;
      this.#tracks.delete(name);
      tooMany -= 1;
    }
  }
}

function unbroken(): Breaks {
  return { running: 0, count: 0, at: 0, doubtedUntil: Number.NEGATIVE_INFINITY };
}

/** What it got since stays known: a pass under way may not have it. */
function forgetReach(track: Track): void {
  track.session = undefined;
  track.thread = undefined;
  if (track.touches.length > MAX_TOUCHES) track.touches = [];
}

/** @param at where the row of the session is; its messages follow */
function sessionReach(
  records: readonly StorageRecord[],
  at: number,
  before: SessionReach | undefined,
): SessionReach | undefined {
  const row = records[at];
  if (row?.kind !== "session") return undefined;
  let seq = before?.seq ?? 0;
  let messageCount = before?.messageCount ?? 0;
  for (let i = at + 1; ; i += 1) {
    const record = records[i];
    if (record?.kind !== "message") return { seq, lastSeq: row.last_seq, messageCount };
    seq = Math.max(seq, record.seq);
    messageCount += 1;
  }
}

/** @param at where the row of the thread is; its checkpoints follow */
function threadReach(
  records: readonly StorageRecord[],
  at: number,
  before: ThreadReach | undefined,
): ThreadReach | undefined {
  const row = records[at];
  if (row?.kind !== "thread") return undefined;
  const names = [...(before?.names ?? [])];
  let seq = before?.seq ?? 0;
  for (let i = at + 1; ; i += 1) {
    const record = records[i];
    if (record?.kind !== "checkpoint" && record?.kind !== "write") break;
    if (record.kind === "write") continue;
    seq = Math.max(seq, record.seq);
    names.push([checkpointName(record.namespace, record.checkpoint_id), record.seq]);
  }
  return { seq, lastSeq: row.last_seq, link: row.session_id, names: new Map(names.slice(-MAX_NAMES)) };
}
