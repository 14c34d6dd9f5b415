/** What calls change, for stores that tell others of it (F8). */
import type { ChangeFeed, ChangeListener, StoreChange } from "../../contract/change-feed.js";
import type { Call } from "./call.js";
import type { StorageDriver } from "./storage-driver.js";

/** A subject that a call changes; neither for anything of the tenant. */
export type ChangedSubject = Omit<StoreChange, "tenant">;

/** With the tenant as the caller knows it: a store may carry a call out under other names. */
interface Noted {
  readonly tenant: string;
  readonly changes: readonly ChangedSubject[];
}

const noted = new WeakMap<Call, Noted>();

/** What a call is going to change. */
export function changesOf(call: Call): readonly ChangedSubject[] {
  return noted.get(call)?.changes ?? [];
}

/** Says of a call that is made of others what they change. */
export function noteChanges(call: Call, changes: readonly ChangedSubject[]): void {
  if (changes.length > 0) noted.set(call, { tenant: call.tenant, changes });
}

/** Says of a call that is made for another one that it changes the same. */
export function handChangesOn(from: Call, to: Call): void {
  const changes = noted.get(from);
  if (changes !== undefined) noted.set(to, changes);
}

/** The same driver, which notes of each write what it changes before it begins. Items and leases are of no concern to those who keep copies. */
export function notingChanges(driver: StorageDriver): StorageDriver {
  const session = (id: string): ChangedSubject[] => [{ session: id }];
  const thread = (id: string): ChangedSubject[] => [{ thread: id }];
  const noting =
    <Args extends readonly unknown[], R>(
      verb: (call: Call, ...args: Args) => R,
      changes: (...args: Args) => readonly ChangedSubject[],
    ) =>
    (call: Call, ...args: Args): R => {
      noteChanges(call, changes(...args));
      return verb.call(driver, call, ...args);
    };
  const replace = driver.replaceStored;
  return {
    ...driver,
    createSession: noting(driver.createSession, ({ sessionId }) => session(sessionId)),
    createSessions: noting(driver.createSessions, (all) => all.flatMap(({ sessionId }) => session(sessionId))),
    updateSession: noting(driver.updateSession, session),
    endSession: noting(driver.endSession, session),
    deleteSession: noting(driver.deleteSession, session),
    cleanupSessions: noting(driver.cleanupSessions, ({ dryRun }) => (dryRun ? [] : [{}])),
    addMessages: noting(driver.addMessages, session),
    deleteMessages: noting(driver.deleteMessages, session),
    storeCheckpoint: noting(driver.storeCheckpoint, thread),
    putWrites: noting(driver.putWrites, thread),
    copyThread: noting(driver.copyThread, (_from, to) => thread(to)),
    deleteThread: noting(driver.deleteThread, thread),
    deleteCheckpoints: noting(driver.deleteCheckpoints, thread),
    pruneCheckpoints: noting(driver.pruneCheckpoints, ({ threadId, dryRun }) =>
      dryRun ? [] : threadId === null ? [{}] : thread(threadId),
    ),
    storeContext: noting(driver.storeContext, session),
    shareContext: noting(driver.shareContext, (from, to) => [...session(from), ...session(to)]),
    importBatch: noting(driver.importBatch, () => [{}]),
    ...(replace === undefined ? {} : { replaceStored: noting(replace, () => [{}]) }),
  };
}

/** Those who are told. */
export class ChangeListeners {
  readonly #listeners = new Set<ChangeListener>();

  get size(): number {
    return this.#listeners.size;
  }

  /** What it returns takes the listener away again. */
  add(listener: ChangeListener): () => void {
    const own: ChangeListener = (change) => listener(change);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  tell(change: StoreChange | "lost"): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** Most bytes of a text that names subjects; what names more says that anything may have changed. */
const MAX_NAMED_BYTES = 6_000;

/** What a call changes as a text for other processes. @param origin who tells it: he is not told himself */
export function changeText(origin: string, call: Call): string | undefined {
  const known = noted.get(call);
  if (known === undefined) return undefined;
  const { tenant, changes } = known;
  const subjects = changes.map(({ session, thread }) =>
    session !== undefined ? `s${session}` : thread !== undefined ? `t${thread}` : "",
  );
  const text = JSON.stringify([origin, tenant, ...new Set(subjects)]);
  return Buffer.byteLength(text) <= MAX_NAMED_BYTES ? text : JSON.stringify([origin, tenant, ""]);
}

/** Tells what such a text says, unless this process has written it. What is no such text may be anything. */
export function tellText(listeners: ChangeListeners, origin: string, text: string): void {
  const parsed = parse(text);
  if (parsed === undefined) {
    listeners.tell("lost");
    return;
  }
  const [from, tenant, ...subjects] = parsed;
  if (from === origin || tenant === undefined) return;
  for (const subject of subjects) {
    const id = subject.slice(1);
    listeners.tell(
      subject === "" ? { tenant } : subject.startsWith("s") ? { tenant, session: id } : { tenant, thread: id },
    );
  }
}

function parse(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((each) => typeof each === "string") ? (value as string[]) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The feed of one tenant's view: changes of others do not reach it. */
export function feedOfTenant(feed: ChangeFeed, tenant: string): ChangeFeed {
  const poll = feed.poll?.bind(feed);
  return {
    subscribe: (listener) =>
      feed.subscribe((change) => {
        if (change === "lost" || change.tenant === tenant) listener(change);
      }),
    ...(poll === undefined ? {} : { poll }),
  };
}
