/**
 * Which reads may be kept: none that a write of this process has overtaken. Reads take the number of the moment when they begin, and
 * writes leave theirs at what they change when they are over; a read that began before that, or while a write was under way, is not
 * kept, and what was kept before is not given out any more.
 */

/** What is remembered of writes, at most: what was forgotten counts as written when it was forgotten. */
const MAX_WRITTEN = 20_000;

/** A write on its way. */
export interface WriteUnderWay {
  /**
   * Its own moment, for what it may put in the place of what was kept; `undefined` where another write was under way meanwhile, or a
   * read that may have seen more than the write did.
   */
  end(): number | undefined;
}

export class Freshness {
  #now = 1;
  /** When what was forgotten may have been written. */
  #floor = 0;
  readonly #written = new Map<string, number>();
  readonly #underWay = new Map<string, { writes: number; readBeside: boolean }>();

  readonly #reading = new Map<string, number>();

  /** The moment of a read that begins now. */
  get now(): number {
    return this.#now;
  }

  /** Whether a read of that moment is as new as every write of this process to one of these subjects that is over. */
  isCurrent(subjects: readonly string[], moment: number): boolean {
    return subjects.every((subject) => (this.#written.get(subject) ?? this.#floor) < moment);
  }

  /** Whether what was read from that moment on may be kept: no write to the subjects is under way either. */
  mayKeep(subjects: readonly string[], moment: number): boolean {
    return this.isCurrent(subjects, moment) && !subjects.some((subject) => this.#underWay.has(subject));
  }

  /** A read asks the store about these subjects, until it settles. */
  async asking<T>(subjects: readonly string[], fetch: () => Promise<T>): Promise<T> {
    for (const subject of subjects) {
      this.#reading.set(subject, (this.#reading.get(subject) ?? 0) + 1);
      const writes = this.#underWay.get(subject);
      if (writes !== undefined) writes.readBeside = true;
    }
    try {
      return await fetch();
    } finally {
      for (const subject of subjects) {
        const left = (this.#reading.get(subject) ?? 1) - 1;
        if (left === 0) this.#reading.delete(subject);
        else this.#reading.set(subject, left);
      }
    }
  }

  /** A write to these subjects begins. */
  begin(subjects: readonly string[]): WriteUnderWay {
    const alone = subjects.every((subject) => !this.#underWay.has(subject) && !this.#reading.has(subject));
    const moment = this.#now;
    for (const subject of subjects) {
      const before = this.#underWay.get(subject);
      if (before === undefined) this.#underWay.set(subject, { writes: 1, readBeside: false });
      else before.writes += 1;
    }
    return {
      end: () => {
        const undisturbed =
          alone && this.isCurrent(subjects, moment + 1) && subjects.every((each) => this.#isAlone(each));
        for (const subject of subjects) this.#leave(subject);
        this.#now += 1;
        for (const subject of subjects) this.#note(subject);
        this.#now += 1;
        return undisturbed ? this.#now : undefined;
      },
    };
  }

  /** Something outside of this process has changed these subjects. */
  changed(subjects: readonly string[]): void {
    this.#now += 1;
    for (const subject of subjects) this.#note(subject);
    this.#now += 1;
  }

  /** Anything may have changed. */
  forgetAll(): void {
    this.#written.clear();
    this.#floor = this.#now;
    this.#now += 1;
  }

  #leave(subject: string): void {
    const writes = this.#underWay.get(subject);
    if (writes === undefined) return;
    writes.writes -= 1;
    if (writes.writes === 0) this.#underWay.delete(subject);
  }

  #isAlone(subject: string): boolean {
    const writes = this.#underWay.get(subject);
    return writes?.writes === 1 && !writes.readBeside;
  }

  #note(subject: string): void {
    this.#written.delete(subject);
    this.#written.set(subject, this.#now);
    if (this.#written.size <= MAX_WRITTEN) return;
    for (const [oldest, when] of this.#written) {
      this.#written.delete(oldest);
      this.#floor = Math.max(this.#floor, when);
      break;
    }
  }
}
