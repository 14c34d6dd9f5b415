/**
 * What ends by itself is not kept, because for readers it is gone from that moment (S8). Whether a session ever expires is decided
 * when it is created, so it is asked once; a thread goes with the session that it is linked to.
 */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { LRUCache } from "../bundled/lru-cache.js";

/** Sessions and threads that are remembered. */
const MAX_KNOWN = 20_000;

/** Answers by name, within bounds of number and time. */
export interface RecentAnswers<Answer> {
  get(name: string): Answer | undefined;
  set(name: string, answer: Answer): unknown;
  delete(name: string): unknown;
  clear(): void;
}

/** What is known of the sessions and threads of all tenants. */
export interface KnownLifetimes {
  /** Whether a session expires. */
  readonly mortal: RecentAnswers<boolean>;
  /** The session of a thread, `""` for none. */
  readonly links: RecentAnswers<string>;
}

/** @param ttlMs how long an answer counts: another process may delete, create and link anew */
export function knownLifetimes(ttlMs: number): KnownLifetimes {
  return {
    mortal: new LRUCache({ max: MAX_KNOWN, ttl: ttlMs }),
    links: new LRUCache({ max: MAX_KNOWN, ttl: ttlMs }),
  };
}

/** Lifetimes of one tenant. */
export class Lifetimes {
  readonly #inner: StorageBackend;
  readonly #known: KnownLifetimes;
  readonly #prefix: string;

  constructor(inner: StorageBackend, known: KnownLifetimes, prefix: string) {
    this.#inner = inner;
    this.#known = known;
    this.#prefix = prefix;
  }

  learn(session: { readonly sessionId: string; readonly ttlMs?: number } | undefined): void {
    if (session !== undefined) this.#known.mortal.set(this.#name(session.sessionId), session.ttlMs !== undefined);
  }

  forget(sessionId: string): void {
    this.#known.mortal.delete(this.#name(sessionId));
  }

  forgetAll(): void {
    this.#known.mortal.clear();
    this.#known.links.clear();
  }

  /** The session that a thread is known to be linked to, `""` for none; `undefined` if that is not known. */
  linkOf(threadId: string): string | undefined {
    return this.#known.links.get(this.#name(threadId));
  }

  link(threadId: string, sessionId: string): void {
    this.#known.links.set(this.#name(threadId), sessionId);
  }

  unlink(threadId: string): void {
    this.#known.links.delete(this.#name(threadId));
  }

  /** Whether what belongs to a session lasts until it is deleted. A question that fails counts as no: nothing is kept then. */
  async sessionLasts(sessionId: string): Promise<boolean> {
    try {
      const isMortal = this.#known.mortal.get(this.#name(sessionId));
      if (isMortal !== undefined) return !isMortal;
      const session = await this.#inner.getSession(sessionId);
      this.learn(session);
      return session?.ttlMs === undefined;
    } catch {
      return false;
    }
  }

  /** As `sessionLasts`, for a thread. */
  async threadLasts(threadId: string): Promise<boolean> {
    try {
      let link = this.linkOf(threadId);
      if (link === undefined) {
        for await (const record of this.#inner.exportRecords({ threadId, kinds: ["thread"] })) {
          if (record.kind === "thread") link = record.session_id ?? "";
        }
        // A thread that is not there may be linked when it comes.
        if (link === undefined) return true;
        this.link(threadId, link);
      }
      return link === "" || (await this.sessionLasts(link));
    } catch {
      return false;
    }
  }

  #name(id: string): string {
    return `${this.#prefix} ${id}`;
  }
}
