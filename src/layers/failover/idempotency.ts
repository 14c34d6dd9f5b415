/**
 * Idempotency keys of sessions across two stores (S5). A key is known to the store that has seen it, and records do not carry it: what a
 * key was used for, and what came of it, is kept in the journal too.
 */
import { ConflictError, isStorageError } from "../../contract/errors.js";
import type { Session, SessionUpdate } from "../../contract/session-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { decodeValue, encodeValue } from "../../domain/codec/codec.js";
import { isAway } from "./copy-watch.js";
import { canonicalText } from "./digest.js";
import type { FailoverJournal, JournalWriter } from "./journal.js";

const DONE = "key:";
const OPEN = "intent:";

const LIFETIME_MS = 24 * 60 * 60 * 1000;

/** So many keys are written before those that have run out are looked for. */
const PER_SWEEP = 10_000;

/** A session whose keyed updates wait. */
export interface HeldSession {
  release(): void;
  /** The session as it was held is in both stores. */
  copied(): void;
}

/** Where a key is used. */
export interface KeyPlace {
  readonly tenant: string;
  readonly sessionId: string;
  /** That of the store in charge now. */
  readonly epoch: () => number;
  /** The session as it is: the keys of one that was deleted are gone (S10). */
  readonly current: () => Promise<Session | undefined>;
}

interface KeyRecord {
  readonly epoch: number;
  /** Milliseconds since the epoch of Unix. */
  readonly at: number;
  /** The update, encoded. */
  readonly update: string;
  /** The session, encoded; absent until it is known. */
  readonly result?: string;
}

/** One session's keyed updates, and the copy that must see all or nothing of each. */
interface Lane {
  readonly running: Set<Promise<unknown>>;
  held: Promise<void> | undefined;
}

export class IdempotencyKeys {
  readonly #journal: FailoverJournal;
  readonly #writer: JournalWriter;
  readonly #open = new Map<string, KeyRecord>();
  readonly #lanes = new Map<string, Lane>();
  #written = 0;

  constructor(journal: FailoverJournal, writer: JournalWriter) {
    this.#journal = journal;
    this.#writer = writer;
  }

  async load(): Promise<void> {
    for (const [name, value] of await this.#journal.list(OPEN)) {
      this.#open.set(name.slice(OPEN.length), JSON.parse(value) as KeyRecord);
    }
    await this.#sweep();
  }

  /**
   * Runs an update with a key: in the epoch in which the store in charge has seen it, the store itself answers.
   * @throws ConflictError for a key that was used with another update
   */
  async run(place: KeyPlace, update: SessionUpdate, send: () => Promise<Session>): Promise<Session> {
    const { tenant, sessionId } = place;
    const given = encodedUpdate(update);
    if (given === undefined) return send();
    let lane = this.#lane(tenant, sessionId);
    while (lane.held !== undefined) {
      await lane.held;
      lane = this.#lane(tenant, sessionId);
    }
    const work = this.#run(place, JSON.stringify([tenant, sessionId, update.idempotencyKey]), given, send);
    lane.running.add(work);
    try {
      return await work;
    } finally {
      lane.running.delete(work);
      if (lane.running.size === 0 && lane.held === undefined) this.#lanes.delete(laneName(tenant, sessionId));
    }
  }

  async #run(
    { epoch, current }: KeyPlace,
    name: string,
    given: string,
    send: () => Promise<Session>,
  ): Promise<Session> {
    const known = await this.#journal.get(DONE + name);
    const before = known === undefined ? undefined : (JSON.parse(known) as KeyRecord);
    if (before?.result !== undefined && before.epoch !== epoch() && before.at > Date.now() - LIFETIME_MS) {
      const first = decodeValue(before.result) as Session;
      const session = await current();
      if (session?.createdAt.getTime() === first.createdAt.getTime()) {
        if (isSameUpdate(before.update, given)) return first;
        throw new ConflictError("the idempotency key was used before, with another update");
      }
    }
    const record: KeyRecord = { epoch: epoch(), at: Date.now(), update: given };
    if (before === undefined || before.epoch !== epoch()) {
      this.#open.set(name, record);
      await this.#writer.put(OPEN + name, JSON.stringify(record));
    }
    try {
      const session = await send();
      this.#answered(name, record, session);
      return session;
    } catch (error) {
      if (isStorageError(error) && error.outcome === "not-applied" && this.#open.get(name) === record) this.#drop(name);
      throw error;
    }
  }

  /** Holds a session's keyed updates back, and finds out what became of those whose answer was lost, so that a copy has no half-known one. */
  async hold(tenant: string, sessionId: string, source: StorageBackend): Promise<HeldSession> {
    let lane = this.#lane(tenant, sessionId);
    while (lane.held !== undefined) {
      await lane.held;
      lane = this.#lane(tenant, sessionId);
    }
    const held = Promise.withResolvers<void>();
    lane.held = held.promise;
    const release = (): void => {
      lane.held = undefined;
      if (lane.running.size === 0) this.#lanes.delete(laneName(tenant, sessionId));
      held.resolve();
    };
    try {
      while (lane.running.size > 0) await Promise.allSettled(lane.running);
      const names: string[] = [];
      for (const [name, record] of [...this.#open]) {
        const [ofTenant, ofSession] = JSON.parse(name) as [string, string];
        if (ofTenant !== tenant || ofSession !== sessionId) continue;
        if (record.result === undefined) await this.#resolve(name, sessionId, record, source);
        names.push(name);
      }
      // What is copied is known first: what becomes of a copy that is cut off, the versions tell.
      await Promise.all(
        names.flatMap((name) => {
          const record = this.#open.get(name);
          return record === undefined ? [] : [this.#writer.put(OPEN + name, JSON.stringify(record))];
        }),
      );
      return { release, copied: () => this.#copied(names) };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Decides on keys whose session was not seen to be the same in both stores, when another store takes charge: it has what its version counts.
   * @param sessionOf the session as the new store has it
   */
  async decide(sessionOf: (tenant: string, sessionId: string) => Promise<Session | undefined>): Promise<void> {
    const known = [...this.#open];
    const decided = await Promise.all(
      known.map(async ([name, record]) => {
        if (record.result === undefined) return undefined;
        const [tenant, sessionId] = JSON.parse(name) as [string, string];
        const result = decodeValue(record.result) as Session;
        const session = await sessionOf(tenant, sessionId);
        const isThere =
          session?.createdAt.getTime() === result.createdAt.getTime() && session.version >= result.version;
        return isThere ? name : undefined;
      }),
    );
    this.#copied(decided.filter((name) => name !== undefined));
    for (const [name] of known) this.#drop(name);
  }

  async #resolve(name: string, sessionId: string, record: KeyRecord, source: StorageBackend): Promise<void> {
    // The store may have forgotten the key, and would do what it stands for once more.
    if (record.at <= Date.now() - LIFETIME_MS) {
      this.#drop(name);
      return;
    }
    try {
      const update = decodeValue(record.update) as SessionUpdate;
      this.#answered(name, record, await source.updateSession(sessionId, update));
    } catch (error) {
      if (!isStorageError(error) || isAway(error)) throw error;
      this.#drop(name);
    }
  }

  /** Unless another store has taken charge meanwhile. */
  #answered(name: string, record: KeyRecord, session: Session): void {
    if (this.#open.get(name) !== record) return;
    const answered = { ...record, result: encodeValue(session) };
    this.#open.set(name, answered);
    // After the next start nobody need ask the store, which has forgotten the key one day.
    this.#writer.putLater(OPEN + name, JSON.stringify(answered));
  }

  /** Both stores have what these keys stand for. */
  #copied(names: readonly string[]): void {
    for (const name of names) {
      const record = this.#open.get(name);
      if (record?.result === undefined) continue;
      this.#drop(name);
      this.#writer.putLater(DONE + name, JSON.stringify(record));
      this.#written += 1;
    }
  }

  #drop(name: string): void {
    if (this.#open.delete(name)) this.#writer.putLater(OPEN + name, null);
  }

  /** Forgets keys that have run out. */
  async sweep(): Promise<void> {
    if (this.#written < PER_SWEEP) return;
    this.#written = 0;
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const oldest = Date.now() - LIFETIME_MS;
    for (const [name, value] of await this.#journal.list(DONE)) {
      if ((JSON.parse(value) as KeyRecord).at < oldest) this.#writer.putLater(name, null);
    }
  }

  #lane(tenant: string, sessionId: string): Lane {
    const name = laneName(tenant, sessionId);
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane: Lane = { running: new Set(), held: undefined };
    this.#lanes.set(name, lane);
    return lane;
  }
}

function laneName(tenant: string, sessionId: string): string {
  return JSON.stringify([tenant, sessionId]);
}

function isSameUpdate(one: string, other: string): boolean {
  return canonicalText(JSON.parse(one)) === canonicalText(JSON.parse(other));
}

/** `undefined` for what no store takes. */
function encodedUpdate(update: SessionUpdate): string | undefined {
  try {
    return encodeValue(update);
  } catch (error) {
    if (isStorageError(error)) return undefined;
    throw error;
  }
}
