/** What one of the two stores misses of the other: written down before the other is changed, and taken back when both are the same. */
import type { JournalWriter } from "./journal.js";
import type { Side } from "./side.js";
import { namedUnit, touches, type Unit, unitName } from "./unit.js";

export const MARK_PREFIX = "mark:";

/** Entries whose stores are the same stay in the journal until there are so many: a unit that is written again then costs no write of it. */
const MAX_IDLE = 256;

/** One unit that a store may miss a change of. */
export class Mark {
  readonly name: string;
  readonly tenant: string;
  readonly unit: Unit;
  /** The store that has to be brought up to date. */
  behind: Side;
  /** Whether the stores differ, as far as is known. */
  dirty = false;
  /** Whether that store misses a write that was acknowledged: then it must not answer in the place of the other. */
  acknowledged = false;
  /** Writes under way. */
  running = 0;
  /** Counts the writes that may have changed it, as they end. */
  generation = 0;
  /** The generation that the last copy has brought over. */
  copied = 0;
  /** Cannot be brought over, until it is written again or time has passed. */
  isRefused = false;
  /** The store that is behind may hold a part of it, by a copy that was begun. */
  isBegun = false;
  /** What the journal has of it. */
  stored: string | undefined;

  constructor(name: string, behind: Side) {
    this.name = name;
    this.behind = behind;
    ({ tenant: this.tenant, unit: this.unit } = namedUnit(name));
  }

  begin(): void {
    this.running += 1;
  }

  /** @param changed whether the write may have had an effect */
  end(changed: boolean): void {
    this.running -= 1;
    if (!changed) return;
    this.generation += 1;
    this.dirty = true;
  }

  /** Whether there is something that no copy has brought over. */
  get isOpen(): boolean {
    return this.dirty && !this.isRefused && this.copied < this.generation;
  }

  /** Whether a copy of this generation is all that there is. */
  isSettled(generation: number): boolean {
    return this.running === 0 && this.generation === generation;
  }
}

export class Marks {
  readonly #all = new Map<string, Mark>();
  readonly #journal: JournalWriter;
  #idle = 0;

  constructor(journal: JournalWriter) {
    this.#journal = journal;
  }

  /** Takes over what a journal holds. @param serving the store in charge: what was under way there, the other misses */
  load(entries: Iterable<readonly [name: string, value: string]>, serving: Side): void {
    for (const [name, value] of entries) {
      const { behind, acknowledged, begun } = JSON.parse(value) as StoredMark;
      const mark = new Mark(name.slice(MARK_PREFIX.length), behind);
      // A write that nobody was told of: the store in charge decides.
      if (!acknowledged && behind === serving) mark.behind = serving === "primary" ? "fallback" : "primary";
      mark.acknowledged = acknowledged;
      mark.isBegun = begun === true;
      mark.dirty = true;
      mark.generation = 1;
      mark.stored = value;
      this.#all.set(mark.name, mark);
    }
  }

  find(tenant: string, unit: Unit): Mark | undefined {
    return this.#all.get(unitName(tenant, unit));
  }

  /** The mark of a unit that is about to be written; made if there is none. */
  at(tenant: string, unit: Unit, behind: Side): Mark {
    const name = unitName(tenant, unit);
    const known = this.#all.get(name);
    if (known === undefined) {
      const mark = new Mark(name, behind);
      this.#all.set(name, mark);
      return mark;
    }
    if (!known.dirty && known.running === 0) known.behind = behind;
    return known;
  }

  /** Settles when the journal has it, at once if it has. @throws StorageConnectionError */
  keep(mark: Mark, acknowledged: boolean): Promise<void> | undefined {
    const value = textOf(mark, acknowledged);
    if (mark.stored === value) return undefined;
    mark.stored = value;
    return this.#journal.put(MARK_PREFIX + mark.name, value).catch((error: unknown) => {
      mark.stored = undefined;
      throw error;
    });
  }

  /** The two stores are the same here. */
  settle(mark: Mark): void {
    mark.dirty = false;
    mark.acknowledged = false;
    mark.isRefused = false;
    mark.isBegun = false;
    this.#idle += 1;
    if (this.#idle > MAX_IDLE) this.sweep();
  }

  /** Forgets units whose stores are the same. */
  sweep(): void {
    this.#idle = 0;
    for (const mark of this.#all.values()) if (!mark.dirty && mark.running === 0) this.#forget(mark);
  }

  /** Puts all into the journal as they are, beside what is put next: as they stand when the store in charge changes. */
  putAll(): void {
    for (const mark of [...this.#all.values()]) {
      if (!mark.dirty && mark.running === 0) {
        this.#forget(mark);
        continue;
      }
      mark.stored = textOf(mark, mark.acknowledged);
      this.#journal.putLater(MARK_PREFIX + mark.name, mark.stored);
    }
  }

  all(): Iterable<Mark> {
    return this.#all.values();
  }

  /** Units that differ, with this store behind. */
  behind(side: Side): Mark[] {
    return [...this.#all.values()].filter((mark) => mark.dirty && mark.behind === side);
  }

  /** Whether a store misses an acknowledged write of what a call is about. */
  misses(side: Side, tenant: string, units: readonly Unit[]): boolean {
    for (const mark of this.#all.values()) {
      if (mark.behind !== side || !mark.dirty || !mark.acknowledged || mark.tenant !== tenant) continue;
      if (units.some((unit) => touches(mark.unit, unit))) return true;
    }
    return false;
  }

  /** Whether a store misses an acknowledged write of a task context. */
  missesContexts(side: Side, tenant: string): boolean {
    for (const mark of this.#all.values()) {
      const isMissed = mark.behind === side && mark.dirty && mark.acknowledged && mark.tenant === tenant;
      if (isMissed && mark.unit.kind === "context") return true;
    }
    return false;
  }

  #forget(mark: Mark): void {
    this.#all.delete(mark.name);
    if (mark.stored !== undefined) this.#journal.putLater(MARK_PREFIX + mark.name, null);
  }
}

interface StoredMark {
  readonly behind: Side;
  readonly acknowledged: boolean;
  readonly begun?: true;
}

function textOf({ behind, isBegun }: Mark, acknowledged: boolean): string {
  const stored: StoredMark = { behind, acknowledged, ...(isBegun ? { begun: true } : {}) };
  return JSON.stringify(stored);
}
