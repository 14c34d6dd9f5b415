/** Makes one store the same as the other, unit by unit: one pass at a time, so that nothing older overtakes what is newer. */
import { StorageTimeoutError } from "../../contract/errors.js";
import { Abandoned, CopyFailure, CopyWatch, isAway } from "./copy-watch.js";
import { digestOf } from "./digest.js";
import type { Growth } from "./growth.js";
import { Importer } from "./importer.js";
import type { Mark } from "./marks.js";
import { type CopyRoute, ITEMS_AT_ONCE, type ItemPlace, itemPieces, type Piece, piecesOf } from "./pieces.js";
import { otherSide, type Side } from "./side.js";
import { readTails, sorted } from "./tails.js";
import { piecesOfTenant } from "./tenant-walk.js";

/** Units of one pass. */
const UNITS_AT_ONCE = 64;

/** Reads of one store at once. */
const READS_AT_ONCE = 8;

/** What the copier asks of the failover that it works for. */
export interface CopierHost {
  /** What the target is known to have. */
  readonly growth: Growth;
  /** Views of one tenant, from the store that is in charge of what is copied. */
  route(tenant: string, from: Side): CopyRoute;
  /** Makes sure, also beyond the end of the process, that the target does not answer for these units while it has a part of them. */
  beforeParts(marks: readonly Mark[]): Promise<void>;
  /** A unit that the target must not take: what is there is not what was copied before. */
  mayTake(mark: Mark, route: CopyRoute): Promise<boolean>;
  /** These units are the same in both stores, and had no write meanwhile. */
  settled(marks: readonly Mark[]): void;
  /** A store keeps a unit from being copied, and would again. */
  refused(mark: Mark, error: unknown): void;
}

export interface CopierOptions {
  readonly stepTimeoutMs: number;
}

export class Copier {
  readonly #host: CopierHost;
  readonly #stepTimeoutMs: number;
  readonly #abandoned = new Abandoned();
  #abort = new AbortController();
  #pass: Promise<unknown> = Promise.resolve();
  copiedUnits = 0;

  constructor(host: CopierHost, { stepTimeoutMs }: CopierOptions) {
    this.#host = host;
    this.#stepTimeoutMs = stepTimeoutMs;
  }

  /**
   * Copies units from a store to the other, in the order given.
   * @param verify compares digests afterwards; a unit whose digests differ stays marked
   * @throws CopyFailure when a store is away; what was copied before is settled
   */
  async copy(marks: readonly Mark[], from: Side, verify: boolean): Promise<void> {
    const before = this.#pass;
    const mine = before.then(() => this.#copyAll(marks, from, verify));
    this.#pass = mine.catch(() => undefined);
    await mine;
  }

  /** Gives up what is under way, and waits until nothing is. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#pass;
    this.#abort = new AbortController();
  }

  async #copyAll(marks: readonly Mark[], from: Side, verify: boolean): Promise<void> {
    const { signal } = this.#abort;
    for (let at = 0; at < marks.length && !signal.aborted; at += UNITS_AT_ONCE) {
      const some = marks.slice(at, at + UNITS_AT_ONCE).filter((mark) => mark.dirty && !mark.isRefused);
      for (const group of byTenant(some)) await this.#copyGroup(group, from, verify, signal);
    }
  }

  async #copyGroup(marks: readonly Mark[], from: Side, verify: boolean, signal: AbortSignal): Promise<void> {
    try {
      await this.#copySome(marks, from, verify, signal);
    } catch (error) {
      const cause = error instanceof CopyFailure ? error.cause : error;
      const [only] = marks;
      if (isAway(cause) || only === undefined) throw error;
      // One of them cannot be copied: the others can.
      if (marks.length > 1) for (const mark of marks) await this.#copyGroup([mark], from, verify, signal);
      else this.#host.refused(only, cause);
    }
  }

  async #copySome(marks: readonly Mark[], from: Side, verify: boolean, signal: AbortSignal): Promise<void> {
    const stuck = this.#abandoned.side;
    const watch = new CopyWatch(this.#stepTimeoutMs, this.#abandoned, signal);
    if (stuck !== undefined) {
      throw new CopyFailure(stuck, new StorageTimeoutError(`the ${stuck} has not ended an earlier copy`));
    }
    const [first] = marks;
    if (first === undefined) return;
    const { growth } = this.#host;
    const { tenant } = first;
    const views = this.#host.route(tenant, from);
    const taken: Mark[] = [];
    for (const mark of marks) if (await this.#host.mayTake(mark, views)) taken.push(mark);
    const generations = taken.map(({ generation }) => generation);
    const pass = growth.startPass();
    // What is compared is compared whole, and nothing is known of the primary as a target.
    const route: CopyRoute = verify
      ? views
      : { ...views, learn: (records, isTail) => growth.learn(tenant, pass, records, isTail) };
    const beforeParts = (): Promise<void> => this.#host.beforeParts(taken);
    const whole = verify ? taken : await this.#copyTails(taken, route, watch, beforeParts);
    const importer = new Importer(route.target, otherSide(from), watch, beforeParts, "replace");
    const imported: Piece[] = [];
    let isEqual = true;
    const verifyImported = async (): Promise<void> => {
      await importer.flush();
      const some = imported.splice(0);
      for (let at = 0; at < some.length; at += READS_AT_ONCE) {
        const compared = some.slice(at, at + READS_AT_ONCE).map((piece) => isSame(piece, route, watch));
        for (const same of await Promise.all(compared)) isEqual &&= same;
      }
    };
    for await (const pieces of gathered(whole, route, watch)) {
      for (const piece of pieces) await importer.put(piece);
      if (!verify) continue;
      imported.push(...pieces);
      if (imported.length > UNITS_AT_ONCE) await verifyImported();
    }
    await importer.flush();
    if (verify) await verifyImported();
    const settled: Mark[] = [];
    for (const [i, mark] of taken.entries()) {
      const generation = generations[i] ?? 0;
      mark.copied = Math.max(mark.copied, generation);
      if (isEqual && mark.isSettled(generation)) settled.push(mark);
    }
    this.copiedUnits += taken.length;
    this.#host.settled(settled);
  }

  /** Copies what has only grown. @returns what has to be copied whole */
  async #copyTails(
    marks: readonly Mark[],
    route: CopyRoute,
    watch: CopyWatch,
    beforeParts: () => Promise<void>,
  ): Promise<readonly Mark[]> {
    const { growth } = this.#host;
    const { grown, whole } = sorted(marks, growth);
    const importer = new Importer(route.target, otherSide(route.from), watch, beforeParts, "extend");
    const refuse = (of: readonly Mark[]): void => {
      for (const { tenant, unit } of of) growth.forget(tenant, unit);
      whole.push(...of);
    };
    for (let at = 0; at < grown.length; at += READS_AT_ONCE) {
      const some = grown.slice(at, at + READS_AT_ONCE);
      const reads = await Promise.allSettled(some.map((each) => readTails(each, route, watch)));
      for (const [i, read] of reads.entries()) {
        if (read.status === "rejected") throw read.reason;
        const of = some[i]?.marks ?? [];
        if (read.value === undefined) refuse(of);
        else await importer.put({ ...read.value, refused: () => refuse(of) });
      }
    }
    await importer.flush();
    return whole;
  }
}

function byTenant(marks: readonly Mark[]): Mark[][] {
  const groups = new Map<string, Mark[]>();
  for (const mark of marks) {
    const group = groups.get(mark.tenant);
    if (group === undefined) groups.set(mark.tenant, [mark]);
    else group.push(mark);
  }
  return [...groups.values()];
}

/** The pieces of units, each subject once; items are read together. */
async function* gathered(marks: readonly Mark[], route: CopyRoute, watch: CopyWatch): AsyncGenerator<readonly Piece[]> {
  const units = marks.map(({ unit }) => unit);
  const items = units.flatMap((unit): ItemPlace[] => (unit.kind === "item" ? [unit] : []));
  const others = units.filter(({ kind }) => kind !== "item" && kind !== "tenant");
  const seen = new Set<string>();
  for (let at = 0; at < others.length; at += READS_AT_ONCE) {
    const reads = others.slice(at, at + READS_AT_ONCE).map((unit) => piecesOf(route, unit, watch, seen));
    for (const read of await Promise.allSettled(reads)) {
      if (read.status === "rejected") throw read.reason;
      yield read.value;
    }
  }
  for (let at = 0; at < items.length; at += ITEMS_AT_ONCE) {
    yield await itemPieces(route, items.slice(at, at + ITEMS_AT_ONCE), watch);
  }
  if (units.some(({ kind }) => kind === "tenant")) yield* piecesOfTenant(route, watch);
}

async function isSame({ records, read }: Piece, { from, target }: CopyRoute, watch: CopyWatch): Promise<boolean> {
  const there = await read(target, otherSide(from), watch);
  return (await digestOf(records)) === (await digestOf(there));
}
