/** A source that is given up as soon as a signal fires, also while it waits for its next value. */
import { AbortedError } from "../../contract/errors.js";

/** @throws AbortedError */
export async function* abortable<T>(source: AsyncIterable<T> | Iterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let state: "waiting" | "given" | "finished" = "given";
  let giveUp: (() => void) | undefined;
  // One listener for the whole stream, and one promise a value: racing each value with one lasting promise would keep
  // something of every value.
  const onAbort = (): void => giveUp?.();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (true) {
      state = "waiting";
      const next = await new Promise<IteratorResult<T, unknown>>((resolve, reject) => {
        giveUp = () => reject(new AbortedError("the caller gave the call up", { cause: signal.reason }));
        if (signal.aborted) giveUp();
        else Promise.resolve(iterator.next()).then(resolve, reject);
      });
      if (next.done) {
        state = "finished";
        return;
      }
      state = "given";
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (state === "given") await iterator.return?.();
    // A source that is still waiting ends only when its wait does. Nobody waits for that, and the abort is what is reported.
    if (state === "waiting" && signal.aborted) Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
