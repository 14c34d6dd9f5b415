/**
 * What this process has found of threads and a shorter statement may rely on: a guess, as others write too. A statement that was too short
 * gives nothing, and the longer one follows.
 */
import { threadKey } from "../../domain/segments/known-blocks.js";

/** Most threads that are remembered; with one more, all are forgotten. */
const MOST = 10_000;

export class MarkedThreads {
  readonly #keys = new Set<string>();

  has(tenant: string, threadId: string): boolean {
    return this.#keys.has(threadKey(tenant, threadId));
  }

  mark(tenant: string, threadId: string, found: boolean): void {
    const key = threadKey(tenant, threadId);
    if (!found) {
      this.#keys.delete(key);
      return;
    }
    if (this.#keys.size >= MOST) this.#keys.clear();
    this.#keys.add(key);
  }
}
