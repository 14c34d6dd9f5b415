/** Every error that leaves a storage says which backend and operation it comes from (F1), also one that was thrown before any I/O. */
import { isStorageError } from "../../contract/errors.js";

/** The same verbs, whose failures carry `backend` and `operation`. */
export function withErrorFields<Verbs extends object>(verbs: Verbs, backend: string): Verbs {
  return Object.fromEntries(
    Object.entries(verbs).map(([operation, verb]) => [
      operation,
      filling(verb as (...args: unknown[]) => unknown, operation, backend),
    ]),
  ) as unknown as Verbs;
}

function filling(
  verb: (...args: unknown[]) => unknown,
  operation: string,
  backend: string,
): (...args: unknown[]) => unknown {
  const fill = (error: unknown): never => {
    if (isStorageError(error)) {
      error.backend ??= backend;
      error.operation ??= operation;
    }
    throw error;
  };
  return (...args) => {
    try {
      const result = verb(...args);
      return result instanceof Promise ? result.catch(fill) : result;
    } catch (error) {
      // A stream refuses its arguments before there is a promise to reject.
      return fill(error);
    }
  };
}
