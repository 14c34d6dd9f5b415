/** Which of the two stores is in charge, and whether this failover still is the one that decides it. */
import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { FencedError, isStorageError, type StorageError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { isAway } from "./copy-watch.js";
import { assertInCharge, assertTakeable, putStamp, readStamp, type Stamp } from "./epoch.js";
import type { JournalWriter } from "./journal.js";
import type { Settings } from "./settings.js";
import type { Both, Side } from "./side.js";

const META = "meta";

/** A stamp that was seen so lately is taken for current. */
const STAMP_MS = 1_000;

export class Charge {
  serving: Side = "primary";
  epoch = 0;
  readonly #stores: Both<StorageBackend>;
  readonly #settings: Settings;
  readonly #journal: JournalWriter;
  readonly #onSuperseded: () => void;
  #journalId = "";
  #lastSeen = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #superseded: FencedError | undefined;

  constructor(stores: Both<StorageBackend>, settings: Settings, journal: JournalWriter, onSuperseded: () => void) {
    this.#stores = stores;
    this.#settings = settings;
    this.#journal = journal;
    this.#onSuperseded = onSuperseded;
  }

  /** Whether that was seen lately. */
  get isCurrent(): boolean {
    return this.#superseded === undefined && performance.now() - this.#lastSeen < STAMP_MS;
  }

  /**
   * Takes charge, by what the journal and both stores say.
   * @throws StorageConnectionError, ConflictError for a new journal that cannot begin now; FencedError
   */
  async take(): Promise<void> {
    const meta = await this.#settings.journal.get(META);
    const stamps = await Promise.all([this.#stampOf("primary"), this.#stampOf("fallback")]);
    if (meta === undefined) await this.#begin(stamps);
    else {
      const { epoch, journal, serving } = JSON.parse(meta) as Stamp;
      this.#journalId = journal;
      this.epoch = epoch;
      this.serving = serving;
      for (const { stamp } of stamps) this.#compare(stamp);
    }
    this.#lastSeen = performance.now();
  }

  /** Looks now and then whether another failover has taken over. @throws FencedError */
  async assertCurrent(): Promise<void> {
    if (this.#superseded !== undefined) throw this.#fenced();
    if (this.isCurrent) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  /** Puts a store in charge, together with what the journal was given to keep later. */
  async change(serving: Side): Promise<void> {
    const stamp: Stamp = { epoch: this.epoch + 1, journal: this.#journalId, serving };
    await this.#journal.put(META, JSON.stringify(stamp));
    this.serving = serving;
    this.epoch = stamp.epoch;
  }

  /** Writes into a store who is in charge. @throws FencedError, and what the store throws */
  async stamp(side: Side): Promise<void> {
    try {
      await putStamp(this.#stores[side], this.#stamp, this.#settings.attemptTimeoutMs);
    } catch (error) {
      if (error instanceof FencedError) this.#setSuperseded(error);
      throw error;
    }
  }

  /** The same, where that is possible now. @throws FencedError */
  async tryStamp(side: Side): Promise<void> {
    try {
      await this.stamp(side);
    } catch (error) {
      if (!isStorageError(error) || !isAway(error)) throw error;
    }
  }

  get #stamp(): Stamp {
    return { epoch: this.epoch, journal: this.#journalId, serving: this.serving };
  }

  /** The first use of a journal. */
  async #begin(stamps: readonly StampFound[]): Promise<void> {
    const [ofPrimary] = stamps;
    // What the fallback has is not known, so that there is nothing to fall back to.
    if (ofPrimary?.error !== undefined) throw ofPrimary.error;
    const found = stamps.flatMap(({ stamp }) => (stamp === undefined ? [] : [stamp]));
    for (const stamp of found) assertTakeable(stamp);
    this.epoch = Math.max(0, ...found.map(({ epoch }) => epoch)) + 1;
    this.#journalId = randomUUID();
    await this.#journal.put(META, JSON.stringify(this.#stamp));
    await this.stamp("primary");
    await this.tryStamp("fallback");
  }

  async #look(): Promise<void> {
    const { stamp } = await this.#stampOf(this.serving);
    this.#compare(stamp);
    this.#lastSeen = performance.now();
  }

  async #stampOf(side: Side): Promise<StampFound> {
    try {
      const stamp = await readStamp(this.#stores[side], this.#settings.attemptTimeoutMs);
      return stamp === undefined ? {} : { stamp };
    } catch (error) {
      if (isStorageError(error)) return { error };
      throw error;
    }
  }

  #compare(stamp: Stamp | undefined): void {
    try {
      assertInCharge(stamp, this.#stamp);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.#setSuperseded(error);
      throw this.#fenced();
    }
  }

  #setSuperseded(error: FencedError): void {
    if (this.#superseded === undefined) this.#onSuperseded();
    this.#superseded = error;
  }

  /** Each call has an error of its own. */
  #fenced(): FencedError {
    return new FencedError(this.#superseded?.message ?? "another failover is in charge");
  }
}

interface StampFound {
  readonly stamp?: Stamp;
  readonly error?: StorageError;
}
