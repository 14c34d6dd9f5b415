/** Names of what reads depend on and writes change. A write to all of a kind is one to its name without an id. */

/** Names within one tenant of one storage. */
export class Subjects {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The session's own row: counters, metadata, times. */
  session(id: string): string {
    return this.#name("session", id);
  }

  messages(sessionId: string): string {
    return this.#name("messages", sessionId);
  }

  thread(id: string): string {
    return this.#name("thread", id);
  }

  /** Contexts have one name: which sessions share one is not told. */
  get contexts(): string {
    return `${this.#prefix} contexts`;
  }

  get allSessions(): string {
    return `${this.#prefix} session`;
  }

  get allMessages(): string {
    return `${this.#prefix} messages`;
  }

  get allThreads(): string {
    return `${this.#prefix} thread`;
  }

  get everything(): readonly string[] {
    return [this.allSessions, this.allMessages, this.allThreads, this.contexts];
  }

  #name(kind: "session" | "messages" | "thread", id: string): string {
    return `${this.#prefix} ${kind} ${id}`;
  }
}
