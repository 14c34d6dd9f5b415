/** The two stores and who is in charge of them: the state machine of a failover. */
import { performance } from "node:perf_hooks";
import { isStorageError, StorageConnectionError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { isThere, removeFrom } from "./began-at-fallback.js";
import { Charge } from "./charge.js";
import { Copier, type CopierHost } from "./copier.js";
import { CopyFailure, CopyWatch, isAway } from "./copy-watch.js";
import { Divergence } from "./divergence.js";
import { RESERVED_TENANT } from "./epoch.js";
import type { FailoverEvent, FailoverState } from "./events.js";
import { Gate } from "./gate.js";
import { Growth } from "./growth.js";
import { IdempotencyKeys } from "./idempotency.js";
import { JournalWriter } from "./journal.js";
import { KnownTenants } from "./known-tenants.js";
import { MARK_PREFIX, type Mark, Marks } from "./marks.js";
import type { CopyRoute } from "./pieces.js";
import { Probes } from "./probes.js";
import { Progress } from "./progress.js";
import { ThreadLinks } from "./relations.js";
import type { Settings } from "./settings.js";
import { type Both, otherSide, type Side } from "./side.js";
import { type Unit, WHOLE_TENANT } from "./unit.js";

/** Units that may be left for the pause in which the store in charge changes back. */
const FEW_UNITS = 8;
const MAX_PASSES = 5;
const PAUSE_MS = 5_000;
const BREATH_MS = 0.5;

export class Pair {
  readonly stores: Both<StorageBackend>;
  readonly settings: Settings;
  readonly marks: Marks;
  readonly keys: IdempotencyKeys;
  readonly gate: Gate = new Gate();
  readonly links: ThreadLinks = new ThreadLinks();
  readonly growth: Growth = new Growth();
  state: FailoverState = "primary";
  isFallbackAway = false;
  switches = 0;
  staleReads = 0;
  readonly copier: Copier;
  readonly #journal: JournalWriter;
  readonly tenants: KnownTenants;
  readonly progress: Progress = new Progress();
  readonly #diverged: Divergence = new Divergence((event) => this.tell(event));
  readonly #probes: Probes;
  readonly #charge: Charge;
  #opened: Promise<void> | undefined;
  #started: Promise<void> | undefined;
  #isReady = false;
  #lastSwitch = Number.NEGATIVE_INFINITY;
  #lastBreath = 0;
  #switching: Promise<void> | undefined;
  #recovering: Promise<void> | undefined;
  #copying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isHandingOver = false;

  constructor(primary: StorageBackend, settings: Settings) {
    this.stores = { primary, fallback: settings.fallback };
    this.settings = settings;
    // A tenant's view would be refused here: what is the failover's own has a tenant of its own.
    primary.tenant(RESERVED_TENANT);
    settings.fallback.tenant(RESERVED_TENANT);
    this.#journal = new JournalWriter(settings.journal);
    this.tenants = new KnownTenants(this.#journal);
    this.#charge = new Charge(this.stores, settings, this.#journal, () => this.tell({ type: "superseded" }));
    this.#probes = new Probes(this.stores, settings.probeTimeoutMs);
    this.marks = new Marks(this.#journal);
    this.keys = new IdempotencyKeys(settings.journal, this.#journal);
    this.copier = new Copier(this.#copierHost(), { stepTimeoutMs: settings.copyTimeoutMs });
  }

  get isReady(): boolean {
    return this.#isReady && this.#charge.isCurrent;
  }

  /** The store in charge. */
  get serving(): Side {
    return this.#charge.serving;
  }

  get epoch(): number {
    return this.#charge.epoch;
  }

  /** Whether the fallback holds only what began while the primary was away. */
  get spills(): boolean {
    return this.settings.mode === "fallback-on-failure";
  }

  /** Whether a store is in charge, and will be in the next moment. */
  isInCharge(side: Side): boolean {
    return this.serving === side && !this.#isHandingOver;
  }

  /** Units that cannot be brought over. */
  get diverged(): number {
    return this.#diverged.size;
  }

  view(tenant: string): Both<StorageBackend> {
    return { primary: this.stores.primary.tenant(tenant), fallback: this.stores.fallback.tenant(tenant) };
  }

  /** Opens the journal and finds out who is in charge; from then on looks now and then whether that is still so. */
  async ready(): Promise<void> {
    if (!this.#isReady) {
      this.#started ??= this.#start();
      try {
        await this.#started;
      } finally {
        this.#started = undefined;
      }
    }
    await this.#charge.assertCurrent();
  }

  /** Whether a store may answer for these units: it misses no acknowledged write of theirs. */
  mayServe(side: Side, tenant: string, units: readonly Unit[]): boolean {
    if (!this.spills) return !this.marks.misses(side, tenant, units);
    if (side === "primary") return this.serving === "primary" || !this.marks.misses("primary", tenant, units);
    return this.serving === "fallback" && units.every((unit) => this.isHeld(tenant, unit));
  }

  /** Whether a unit began at the fallback while the primary was away. */
  isHeld(tenant: string, unit: Unit): boolean {
    const of = unit.kind === "context" ? ({ kind: "session", id: unit.sessionId } as const) : unit;
    const mark = this.marks.find(tenant, of);
    return mark !== undefined && mark.behind === "primary" && (mark.dirty || mark.running > 0);
  }

  /** Marks a tenant that this journal has not seen: nobody knows whether both stores have the same of it. */
  meet(tenant: string): void {
    if (!this.tenants.meet(tenant) || this.spills) return;
    const mark = this.marks.at(tenant, WHOLE_TENANT, "fallback");
    mark.begin();
    mark.end(true);
    mark.acknowledged = true;
    this.marks.keep(mark, true)?.catch(() => undefined);
  }

  /** Brings what the fallback misses to it, in the background. */
  kick(): void {
    if (this.spills || !this.isInCharge("primary") || this.isFallbackAway || this.#isClosed) return;
    this.#copying ??= this.#copyToFallback();
  }

  /** Waits until the fallback misses nothing that can be brought to it now. */
  async caughtUp(): Promise<void> {
    const isBehind = (): boolean =>
      this.marks.behind("fallback").some((mark) => !mark.isRefused && (mark.isOpen || mark.running > 0));
    while (this.serving === "primary" && !this.isFallbackAway && !this.#isClosed && !this.spills && isBehind()) {
      const { next } = this.progress;
      this.kick();
      await next;
    }
  }

  /** Lets what waits go on, now and then: reads of a store in memory, one after the other, would never. */
  breath(): Promise<void> | undefined {
    if (this.#copying === undefined && !this.#journal.isBusy) return undefined;
    const now = performance.now();
    if (now - this.#lastBreath < BREATH_MS) return undefined;
    this.#lastBreath = now;
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Finds out whether a store that has failed a call is away, and changes the store in charge if it must. */
  async failed(side: Side): Promise<void> {
    if (await this.probe(side)) return;
    if (side === "fallback") this.#setFallbackAway(true);
    else await this.#switchToFallback();
  }

  /** Asks a store how it is. */
  probe(side: Side): Promise<boolean> {
    return this.#probes.ask(side);
  }

  /** Looks after what is to be done: the change back to the primary, and what the fallback misses. */
  async check(): Promise<FailoverState> {
    await this.ready();
    if (this.serving === "fallback") {
      this.#recovering ??= this.#recover().finally(() => {
        this.#recovering = undefined;
      });
      await this.#recovering;
    } else {
      for (const mark of this.marks.behind("fallback")) mark.isRefused = false;
      if (this.isFallbackAway && (await this.probe("fallback"))) this.#setFallbackAway(false);
      this.kick();
      await this.#copying;
    }
    return this.state;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.progress.advance();
    await this.copier.stop();
    await Promise.allSettled([this.#copying, this.#recovering, this.#switching, this.#probes.settled()]);
    if (this.#opened === undefined) return;
    this.marks.sweep();
    try {
      await this.#journal.flush();
    } finally {
      await this.settings.journal.close();
    }
  }

  tell(event: FailoverEvent): void {
    const { onEvent } = this.settings;
    // What the caller's function throws is its own, and stops nothing here.
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event));
  }

  async #start(): Promise<void> {
    const { journal } = this.settings;
    this.#opened ??= Promise.resolve(journal.open());
    try {
      await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
    await this.#charge.take();
    this.state = this.serving === "primary" ? "primary" : "degraded";
    this.marks.load(await journal.list(MARK_PREFIX), this.serving);
    await this.keys.load();
    await this.tenants.load(journal);
    this.#isReady = true;
    this.#schedule();
    this.kick();
  }

  async #switchToFallback(): Promise<void> {
    this.#switching ??= this.#takeOver().finally(() => {
      this.#switching = undefined;
    });
    await this.#switching;
  }

  /** The fallback takes charge of all that it misses no acknowledged write of. */
  async #takeOver(): Promise<void> {
    if (this.serving !== "primary" || !this.#isReady || this.#isClosed) return;
    if (performance.now() - this.#lastSwitch < this.settings.cooldownMs) return;
    if (!(await this.probe("fallback"))) {
      this.#setFallbackAway(true);
      return;
    }
    this.#setFallbackAway(false);
    this.#isHandingOver = true;
    const open = this.gate.close();
    try {
      await this.copier.stop();
      const undecided = [...this.marks.all()].filter(
        (mark) => mark.behind === "fallback" && !mark.acknowledged && (mark.dirty || mark.running > 0),
      );
      for (const mark of undecided) {
        // What is copied together with something that the fallback misses stays with the primary.
        if (this.#isBoundToPrimary(mark)) mark.acknowledged = true;
        else handOver(mark);
      }
      try {
        const timeoutMs = this.settings.attemptTimeoutMs;
        await this.keys.decide((tenant, id) => this.view(tenant).fallback.getSession(id, { timeoutMs }));
        await this.#change("fallback", "degraded");
      } catch (error) {
        if (this.serving === "primary") for (const mark of undecided) mark.behind = "fallback";
        throw error;
      }
    } finally {
      this.#isHandingOver = false;
      open();
    }
    this.#schedule();
  }

  #isBoundToPrimary({ tenant, unit }: Mark): boolean {
    const related: Unit[] = [unit];
    if (unit.kind === "thread") {
      const link = this.links.known(tenant, unit.id);
      if (link === undefined) return true;
      if (link !== null) related.push({ kind: "session", id: link });
    }
    if (related.some(({ kind }) => kind === "session") && this.marks.missesContexts("fallback", tenant)) return true;
    return this.marks.misses("fallback", tenant, related);
  }

  /** Makes a store the one in charge, in the journal first. */
  async #change(serving: Side, state: FailoverState): Promise<void> {
    this.marks.putAll();
    await this.#charge.change(serving);
    this.growth.clear();
    this.switches += 1;
    this.#lastSwitch = performance.now();
    this.#setState(state);
    await this.#charge.tryStamp(serving);
    this.progress.advance();
  }

  async #recover(): Promise<void> {
    if (this.serving !== "fallback" || this.#isClosed) return;
    if (performance.now() - this.#lastSwitch < this.settings.cooldownMs) return;
    if (!(await this.probe("primary"))) {
      this.#setState("degraded");
      return;
    }
    this.#setState("recovering");
    try {
      // First the epoch, so that a failover which still takes the primary for the one in charge finds out.
      await this.#charge.stamp("primary");
      for (const mark of this.marks.behind("primary")) mark.isRefused = this.spills && this.#diverged.has(mark);
      for (let pass = 0; pass < MAX_PASSES; pass += 1) {
        const open = this.marks.behind("primary").filter((mark) => mark.isOpen);
        if (open.length <= FEW_UNITS) break;
        await this.copier.copy(open, "fallback", true);
        this.progress.advance();
      }
      await this.#changeBack();
    } catch (error) {
      const cause = error instanceof CopyFailure ? error.cause : error;
      if (!isStorageError(cause)) throw error;
      if (isAway(cause)) this.#setState("degraded");
    }
  }

  /** Holds writes back for a moment, copies what is left, and puts the primary in charge if both stores are the same. */
  async #changeBack(): Promise<void> {
    const held = this.spills ? this.marks.behind("primary") : [];
    const open = this.gate.close();
    try {
      if (!(await this.gate.idle(PAUSE_MS))) return;
      await this.copier.copy(
        this.marks.behind("primary").filter((mark) => !mark.isRefused),
        "fallback",
        true,
      );
      const left = this.marks.behind("primary").filter((mark) => !(this.spills && this.#diverged.has(mark)));
      if (left.length > 0) return;
      const timeoutMs = this.settings.attemptTimeoutMs;
      await this.keys.decide((tenant, id) => this.view(tenant).primary.getSession(id, { timeoutMs }));
      await this.#change("primary", "primary");
    } finally {
      open();
    }
    await this.#charge.tryStamp("fallback");
    if (this.spills) {
      const moved = held.filter((mark) => !mark.dirty);
      await removeFrom((tenant) => this.view(tenant).fallback, moved, this.settings.attemptTimeoutMs);
    }
    this.kick();
  }

  async #copyToFallback(): Promise<void> {
    try {
      // What is written at the same moment goes together.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.isInCharge("primary") && !this.#isClosed) {
        const open = this.marks.behind("fallback").filter((mark) => mark.isOpen);
        if (open.length === 0) break;
        await this.copier.copy(open, "primary", false);
        if (this.settings.mode !== "sync-both") await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } catch (error) {
      if (!(error instanceof CopyFailure)) throw error;
      if (this.isInCharge("primary") && !this.#isClosed) {
        if (error.side === "fallback") this.#setFallbackAway(true);
        else setImmediate(() => void this.failed("primary").catch(() => undefined));
      }
    } finally {
      this.#copying = undefined;
      this.progress.advance();
      this.#schedule();
    }
  }

  #copierHost(): CopierHost {
    return {
      growth: this.growth,
      route: (tenant, from): CopyRoute => {
        const views = this.view(tenant);
        return {
          from,
          source: views[from],
          target: views[otherSide(from)],
          hasVectors: this.tenants.hasVectors(tenant),
          hold: (sessionId) => this.keys.hold(tenant, sessionId, views[from]),
        };
      },
      beforeParts: async (marks) => {
        for (const mark of marks) {
          mark.acknowledged = true;
          await this.marks.keep(mark, true);
        }
      },
      mayTake: (mark, route) => this.#mayTake(mark, route),
      settled: (marks) => {
        for (const mark of marks) {
          this.marks.settle(mark);
          this.#diverged.delete(mark);
        }
        this.progress.advance();
        this.keys.sweep().catch(() => undefined);
      },
      refused: (mark, error) => {
        this.#diverged.add(mark, isStorageError(error) ? error : undefined);
        this.progress.advance();
      },
    };
  }

  /** The primary keeps what it has under a name that began at the fallback too: which of them is meant, nobody knows. */
  async #mayTake(mark: Mark, route: CopyRoute): Promise<boolean> {
    if (!this.spills || route.from === "primary" || mark.isBegun) return true;
    const watch = new CopyWatch(this.settings.copyTimeoutMs, { add: () => undefined }, new AbortController().signal);
    if (await isThere(mark, route.target, watch)) {
      this.#diverged.add(mark, undefined);
      this.progress.advance();
      return false;
    }
    mark.isBegun = true;
    await this.marks.keep(mark, true);
    return true;
  }

  #setState(state: FailoverState): void {
    if (this.state === state) return;
    this.state = state;
    this.tell({ type: "state", state, epoch: this.epoch });
  }

  #setFallbackAway(isAway: boolean): void {
    if (this.isFallbackAway !== isAway) this.tell({ type: "fallback", isAway });
    this.isFallbackAway = isAway;
    this.progress.advance();
    this.#schedule();
  }

  /** Looks again after a while, as long as something is left to do. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const isDone = this.serving === "primary" && !this.isFallbackAway && this.marks.behind("fallback").length === 0;
    if (isDone) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.check()
        // What is wrong with a store is in the state and the health check.
        .catch((error: unknown) => {
          if (!isStorageError(error)) throw error;
        })
        .finally(() => this.#schedule());
    }, this.settings.probeIntervalMs);
    this.#timer.unref();
  }
}

/** What became of these writes nobody was told: the fallback has them if they were copied, else they are gone. */
function handOver(mark: Mark): void {
  mark.behind = "primary";
  mark.begin();
  mark.end(true);
  mark.acknowledged = true;
}

/** What a call hears when no store may answer it. */
export function nobodyServes(side: Side): StorageConnectionError {
  return new StorageConnectionError(`the ${otherSide(side)} is away, and the ${side} may miss what was written there`);
}
