/** For clauses that let real time pass: something that expires, and is seen before it does also on a machine that has little time. */
import { ok } from "./assertions.js";

/** Times to live, in milliseconds: a longer one is tried where the one before was over before it was looked. */
const TTLS_MS = [600, 3_000, 15_000];

/**
 * Stores something that expires, under an id of its own, and resolves once it has been seen.
 *
 * @param storeAndSee stores it under the id, to live so long, and tells whether it is there
 */
export async function seenBeforeItExpires(
  storeAndSee: (id: string, ttlMs: number) => Promise<boolean>,
): Promise<{ readonly id: string; readonly ttlMs: number }> {
  for (const ttlMs of TTLS_MS) {
    const id = `for ${ttlMs} ms`;
    const start = performance.now();
    const isOver = (): boolean => performance.now() - start >= ttlMs;
    try {
      if (await storeAndSee(id, ttlMs)) return { id, ttlMs };
      ok(isOver(), "it is gone before its time");
    } catch (error) {
      if (!isOver()) throw error;
    }
  }
  throw new Error("each was over before it could be seen");
}
