/**
 * Names of blocks that this process has lately stored in a thread or read from it, so that a state that follows sends what is new
 * and nothing else. It is a guess: whoever leaves a block out has the server look whether it is there.
 */

/** Names that are remembered of one thread, and of all. */
const NAMES_OF_THREAD = 4_096;
const NAMES_IN_ALL = 65_536;

const NONE: ReadonlyMap<string, string> = new Map();

export class KnownBlocks {
  /** By thread, the one that was used last at the end. */
  readonly #threads = new Map<string, Map<string, string>>();
  #count = 0;

  /**
   * Each name with that of a block which answers for it: a node that needs it, and so is never stored without it, or itself. A few
   * nodes answer for all that a state leaves out.
   */
  of(tenant: string, threadId: string): ReadonlyMap<string, string> {
    return this.#threads.get(threadKey(tenant, threadId)) ?? NONE;
  }

  /**
   * Of too many names those at the end are kept: they are to be the ones that the next state is the likeliest to need.
   * @param nodes the node that needs a block, by the block's name
   */
  remember(tenant: string, threadId: string, names: Iterable<string>, nodes: ReadonlyMap<string, string> = NONE): void {
    const key = threadKey(tenant, threadId);
    let known = this.#threads.get(key) ?? new Map<string, string>();
    this.#forget(key);
    for (const name of names) {
      known.delete(name);
      known.set(name, nodes.get(name) ?? name);
    }
    if (known.size > NAMES_OF_THREAD) known = new Map([...known].slice(-NAMES_OF_THREAD / 2));
    if (known.size === 0) return;
    this.#threads.set(key, known);
    this.#count += known.size;
    for (const [oldest] of this.#threads) {
      if (this.#count <= NAMES_IN_ALL) return;
      this.#forget(oldest);
    }
  }

  forget(tenant: string, threadId: string): void {
    this.#forget(threadKey(tenant, threadId));
  }

  #forget(key: string): void {
    this.#count -= this.#threads.get(key)?.size ?? 0;
    this.#threads.delete(key);
  }
}

/** What stands for a thread where something is remembered of it. No identifier holds NUL. */
export function threadKey(tenant: string, threadId: string): string {
  return `${tenant}\0${threadId}`;
}
