/** Leaving a key behind: what older keys have encrypted is encrypted anew, in place, while the storage is in use. */
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { Page } from "../../../contract/call.js";
import {
  CorruptionError,
  InvalidArgumentError,
  isStorageError,
  SerializationError,
  UnsupportedError,
} from "../../../contract/errors.js";
import type { Item } from "../../../contract/item-storage.js";
import type { StorageBackend } from "../../../contract/storage-backend.js";
import { type StoredReplacement, type StoredValues, storedValues } from "../../../contract/stored-replacement.js";
import { integer, knownFields } from "../../../domain/arguments.js";
import { type EncryptedStorage, encryptedStorage } from "../encrypted-storages.js";
import { grantsView } from "../grants.js";
import { PHASES, type RotationPhase, type RotationPoint, RotationPoints, START } from "./rotation-progress.js";
import { type SealedValue, SealedValues } from "./sealed-values.js";

export interface RotateKeysOptions {
  /** Ends the rotation after what is on its way; a later one goes on there. */
  readonly signal?: AbortSignal | undefined;
  /** Told after each page of sessions, threads or items. */
  readonly onProgress?: ((progress: RotationProgress) => void) | undefined;
  /** Milliseconds to rest after each batch of values, so that others have the store. Default 0. */
  readonly pauseMs?: number | undefined;
}

/** How far a rotation is. */
export interface RotationProgress {
  /** Id of the key that all is under afterwards. */
  readonly key: string;
  readonly phase: RotationPhase | "done";
  /** Values that were looked at, and those of them that were encrypted anew. */
  readonly looked: number;
  readonly replaced: number;
  /** What does not open, with the reason: damaged, moved, or under a key that the ring does not have. The first hundred. */
  readonly unreadable: readonly string[];
  readonly unreadableCount: number;
  /** Whether it goes on where an earlier one has ended. */
  readonly resumed: boolean;
}

export interface KeyRotation {
  progress(): RotationProgress;
  /**
   * Settles when all is done, or has been ended by the signal; then the phase is not `done`.
   * @throws what the store or the key ring throws, when it was away for too long
   */
  readonly finished: Promise<RotationProgress>;
}

/** Values that are replaced by one call. */
const AT_ONCE = 100;

/** Writes of a thread that are read before the first of them is replaced. */
const WRITES_AT_ONCE = 2_000;

/** How often a subject is gone through whose values others change meanwhile. */
const ROUNDS = 10;

/** How long the store may be away, in milliseconds. */
const MAX_AWAY_MS = 60_000;

/**
 * Encrypts all that the tenant of a storage has under older keys with the current one of its ring, where it stands. Others may read and write
 * meanwhile, and lose nothing: each value is replaced only if it is still the one that was read. How far it is stands in the store, so that
 * after a kill the next call goes on there. All processes need the ring with the new key as `current` before it begins.
 * @param storage what `encryption` has made, also with other layers around or inside of it; a tenant's view rotates that tenant
 * @throws InvalidArgumentError for a storage without encryption; UnsupportedError for a store that cannot replace values
 */
export function rotateKeys(storage: StorageBackend, options: RotateKeysOptions = {}): KeyRotation {
  const given = knownFields(options, "options", ["signal", "onProgress", "pauseMs"]);
  const pauseMs = integer(given.pauseMs ?? 0, "pauseMs", { min: 0, max: 60_000 });
  const rotation = new Rotation(storageOf(storage), { ...given, pauseMs });
  const finished = rotation.run();
  // Who only asks for the progress hears of a failure there.
  finished.catch(() => undefined);
  return { progress: () => rotation.progress(), finished };
}

/**
 * Counts the values that a tenant's store keeps, by the ids of their keys: a key that is not among them can leave the ring.
 * @throws InvalidArgumentError for a storage without encryption
 */
export async function keysInUse(storage: StorageBackend): Promise<{ readonly [keyId: string]: number }> {
  const known = storageOf(storage);
  const counts = new Map<string, number>();
  const count = (values: readonly SealedValue[]): void => {
    for (const { keyIds } of values) for (const id of new Set(keyIds)) counts.set(id, (counts.get(id) ?? 0) + 1);
  };
  const walk = new Walk(known, (call) => call());
  for (const phase of PHASES) {
    for (let cursor: string | null = null; ; ) {
      const { subjects, next } = await walk.page(phase, cursor);
      for (const subject of subjects) {
        for await (const values of subject.values()) count(values);
        for await (const value of subject.writes()) count([value]);
      }
      if (next === null) break;
      cursor = next;
    }
  }
  return Object.fromEntries(counts);
}

function storageOf(storage: StorageBackend): EncryptedStorage {
  const known = encryptedStorage(storage);
  if (known === undefined) throw new InvalidArgumentError("storage must be one that the layer encryption is around");
  return known;
}

/** What belongs together: a session, a thread, or items. */
interface Subject {
  values(): AsyncGenerator<SealedValue[]>;
  writes(): AsyncGenerator<SealedValue>;
  /** Where its values are replaced. */
  readonly port: StoredValues | undefined;
}

/** Goes through a tenant page by page. */
class Walk {
  readonly raw: StorageBackend;
  /** The tenant that holds the grants; `undefined` where it cannot be reached, and then there are none. */
  readonly grants: StorageBackend | undefined;
  readonly #values: SealedValues;
  readonly #steady: <T>(call: () => Promise<T>) => Promise<T>;

  constructor({ root, tenant, seals }: EncryptedStorage, steady: <T>(call: () => Promise<T>) => Promise<T>) {
    this.raw = root.tenant(tenant);
    this.grants = viewOf(grantsView(root, tenant));
    this.#values = new SealedValues(this.raw, seals, steady);
    this.#steady = steady;
  }

  async page(
    phase: RotationPhase,
    cursor: string | null,
  ): Promise<{ readonly subjects: readonly Subject[]; readonly next: string | null }> {
    const query = cursor === null ? {} : { cursor };
    const byAge = { ...query, orderBy: "createdAt", direction: "asc", limit: 50 } as const;
    const values = this.#values;
    switch (phase) {
      case "sessions":
        return this.#subjects(await this.#steady(() => this.raw.listSessions(byAge)), (session) => ({
          values: () => values.ofSession(session),
          writes: nothing,
        }));
      case "threads":
        return this.#subjects(await this.#steady(() => this.raw.listThreads(byAge)), ({ threadId }) => ({
          values: () => values.ofThread(threadId),
          writes: () => values.writesOf(threadId),
        }));
      case "items":
        return this.#items(this.raw, query, (item) => values.item(item));
      case "grants":
        return this.grants === undefined
          ? { subjects: [], next: null }
          : this.#items(this.grants, query, (item) => values.grant(item));
    }
  }

  #subjects<T>(
    page: Page<T>,
    make: (item: T) => Omit<Subject, "port">,
  ): { readonly subjects: readonly Subject[]; readonly next: string | null } {
    const port = storedValues(this.raw);
    return { subjects: page.items.map((item) => ({ ...make(item), port })), next: page.nextCursor ?? null };
  }

  /** A page of items is one subject. */
  async #items(
    view: StorageBackend,
    query: { readonly cursor?: string },
    read: (item: Item) => SealedValue | undefined,
  ): Promise<{ readonly subjects: readonly Subject[]; readonly next: string | null }> {
    const list = (): Promise<Page<Item>> =>
      this.#steady(() => view.searchItems([], { ...query, orderBy: "key", direction: "asc", limit: 200 }));
    const first = await list();
    let page: Page<Item> | undefined = first;
    const values = async function* (): AsyncGenerator<SealedValue[]> {
      // What others have changed is read again.
      const { items } = page ?? (await list());
      page = undefined;
      yield items.flatMap((item) => read(item) ?? []);
    };
    return { subjects: [{ values, writes: nothing, port: storedValues(view) }], next: first.nextCursor ?? null };
  }
}

async function* nothing(): AsyncGenerator<never> {}

function viewOf(view: () => StorageBackend): StorageBackend | undefined {
  try {
    return view();
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

class Rotation {
  readonly #known: EncryptedStorage;
  readonly #options: { readonly pauseMs: number } & Omit<RotateKeysOptions, "pauseMs">;
  readonly #walk: Walk;
  readonly #unreadable: string[] = [];
  /** What does not open is counted once, however often it is met. */
  readonly #met = new Set<string>();
  #phase: RotationProgress["phase"] = "grants";
  #looked = 0;
  #replaced = 0;
  #resumed = false;

  constructor(known: EncryptedStorage, options: { readonly pauseMs: number } & Omit<RotateKeysOptions, "pauseMs">) {
    this.#known = known;
    this.#options = options;
    this.#walk = new Walk(known, (call) => this.#steady(call));
    if (storedValues(this.#walk.raw) === undefined) {
      throw new UnsupportedError(
        `the ${known.root.kind} store cannot put a value in the place of a stored one: export through the layer, and import into a store whose ring has the new key alone`,
      );
    }
  }

  progress(): RotationProgress {
    return {
      key: this.#known.keys.current,
      phase: this.#phase,
      looked: this.#looked,
      replaced: this.#replaced,
      unreadable: this.#unreadable.slice(),
      unreadableCount: this.#met.size,
      resumed: this.#resumed,
    };
  }

  async run(): Promise<RotationProgress> {
    const { seals, keys } = this.#known;
    await seals.ready();
    const points = new RotationPoints(this.#walk.grants, seals, keys.current);
    const kept = await this.#steady(() => points.read());
    this.#resumed = kept !== undefined;
    let point: RotationPoint = kept ?? START;
    for (;;) {
      this.#phase = point.phase;
      if (this.#isEnded) return this.progress();
      const { subjects, next } = await this.#walk.page(point.phase, point.cursor);
      for (const subject of subjects) {
        await this.#rotate(subject);
        if (this.#isEnded) return this.progress();
      }
      const following = next === null ? PHASES[PHASES.indexOf(point.phase) + 1] : point.phase;
      if (following === undefined) break;
      const reached = { phase: following, cursor: next };
      await this.#steady(() => points.write(reached));
      point = reached;
      this.#tell();
    }
    await this.#steady(() => points.forget());
    this.#phase = "done";
    this.#tell();
    return this.progress();
  }

  get #isEnded(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #tell(): void {
    this.#options.onProgress?.(this.progress());
  }

  /** Until nothing of it is under an older key, or only what does not open. */
  async #rotate(subject: Subject): Promise<void> {
    for (let round = 1; round <= ROUNDS; round++) {
      let missed = 0;
      for await (const values of subject.values()) {
        missed += await this.#replace(subject, values);
        if (this.#isEnded) return;
      }
      const writes = await this.#staleWrites(subject);
      for (let at = 0; at < writes.length; at += AT_ONCE) {
        missed += await this.#replace(subject, writes.slice(at, at + AT_ONCE));
        if (this.#isEnded) return;
      }
      // There may be more of them.
      if (missed === 0 && writes.length < WRITES_AT_ONCE) return;
      if (missed === 0) round = 0;
    }
  }

  /** A stream holds a moment of the store: none is open while values are replaced. */
  async #staleWrites(subject: Subject): Promise<SealedValue[]> {
    return this.#steady(async () => {
      const stale: SealedValue[] = [];
      for await (const value of subject.writes()) {
        if (!this.#isStale(value)) continue;
        stale.push(value);
        if (stale.length === WRITES_AT_ONCE) break;
      }
      return stale;
    });
  }

  #isStale({ keyIds, name }: SealedValue): boolean {
    return keyIds.some((id) => id !== this.#known.keys.current) && !this.#met.has(name);
  }

  /** Gives how many were something else by then. */
  async #replace({ port }: Subject, values: readonly SealedValue[]): Promise<number> {
    this.#looked += values.length;
    let missed = 0;
    const stale = values.filter((value) => this.#isStale(value));
    for (let at = 0; at < stale.length; at += AT_ONCE) {
      const replacements: StoredReplacement[] = [];
      for (const value of stale.slice(at, at + AT_ONCE)) {
        const replacement = await this.#steady(() => value.reseal()).catch((error: unknown) => {
          this.#leave(value, error);
          return undefined;
        });
        if (replacement !== undefined) replacements.push(replacement);
      }
      if (replacements.length === 0 || port === undefined) continue;
      const results = await this.#swap(port, replacements);
      const done = results.filter((result) => result).length;
      this.#replaced += done;
      missed += results.length - done;
      if (this.#options.pauseMs > 0) await wait(this.#options.pauseMs);
    }
    return missed;
  }

  /** Together, or in halves where that is more than one call takes: it was refused before anything was done. */
  async #swap(port: StoredValues, replacements: readonly StoredReplacement[]): Promise<boolean[]> {
    try {
      return await this.#steady(() => port.replaceStored(replacements));
    } catch (error) {
      const isRefused = error instanceof InvalidArgumentError || error instanceof SerializationError;
      if (!isRefused || replacements.length === 1) throw error;
    }
    const half = Math.ceil(replacements.length / 2);
    const first = await this.#swap(port, replacements.slice(0, half));
    return [...first, ...(await this.#swap(port, replacements.slice(half)))];
  }

  /** What does not open stays as it is. @throws any other error */
  #leave({ name, what }: SealedValue, error: unknown): void {
    if (!(error instanceof CorruptionError || error instanceof UnsupportedError)) throw error;
    this.#met.add(name);
    if (this.#unreadable.length < 100) this.#unreadable.push(`${what}: ${error.message}`);
  }

  /** Waits for a store that is away. Each call may be made again: what was replaced is no longer what was read. */
  async #steady<T>(call: () => Promise<T>): Promise<T> {
    const end = performance.now() + MAX_AWAY_MS;
    for (let pause = 50; ; pause = Math.min(pause * 2, 2_000)) {
      try {
        return await call();
      } catch (error) {
        const isAway =
          isStorageError(error) && error.retryable && (error.code === "CONNECTION" || error.code === "TIMEOUT");
        if (!isAway || this.#isEnded || performance.now() > end) throw error;
      }
      await wait(pause * Math.random());
    }
  }
}
