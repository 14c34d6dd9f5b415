/** Clauses: the tests of the kit, one for each promise and each of its edge cases. */
import type { StorageBackend } from "../contract/storage-backend.js";
import type { ManualClock } from "./manual-clock.js";
import type { OpenHandleOptions, StorageSupport } from "./storage-factory.js";

/** What a clause may need of a store. */
export type ClauseNeed = keyof StorageSupport;

/** How much the large clauses do. */
export interface ClauseScale {
  /** Messages that the export and import clause moves. Default 20,000; 1,000,000 with `WAYSTONE_TEST_SCALE=full`. */
  readonly messages: number;
  /** Callers that race in the concurrency clauses. Default 24. */
  readonly racers: number;
}

/** What a clause works with: a fresh store. */
export interface ClauseContext {
  /** A handle on the store, of the default tenant. */
  readonly storage: StorageBackend;
  /** The store's clock. Moving it has an effect only where the store supports a clock: say so by `needs`. */
  readonly clock: ManualClock;
  readonly support: StorageSupport;
  readonly scale: ClauseScale;
  /** Another handle on the same store (`secondHandle`, or `reopen` after the first was closed); closed when the clause ends. */
  open(options?: OpenHandleOptions): Promise<StorageBackend>;
  /** A handle on another, empty store. */
  openOther(options?: OpenHandleOptions): Promise<StorageBackend>;
  /** Lets at least so many milliseconds pass for the store: moves its clock, or waits. */
  pass(ms: number): Promise<void>;
}

/** One test. Its name is the number of a promise and one sentence. */
export interface Clause {
  readonly name: string;
  readonly needs: readonly ClauseNeed[];
  readonly timeoutMs?: number;
  /** It measures the process, so that no other clause may run beside it. */
  readonly alone?: boolean;
  readonly run: (context: ClauseContext) => Promise<void>;
}

/** Clauses about one subject. */
export interface ClauseGroup {
  readonly name: string;
  readonly clauses: readonly Clause[];
}

/** What a clause may say about itself. */
export interface ClauseOptions {
  /** Default: nothing. */
  readonly needs?: readonly ClauseNeed[] | undefined;
  /** Default: as the runner has it. */
  readonly timeoutMs?: number | undefined;
  /** Default `false`. */
  readonly alone?: boolean | undefined;
}

/** Adds a clause to a group. */
export interface AddClause {
  (name: string, run: (context: ClauseContext) => Promise<void>): void;
  (name: string, options: ClauseOptions, run: (context: ClauseContext) => Promise<void>): void;
}

/** A group from a function that adds its clauses. */
export function clauseGroup(name: string, body: (clause: AddClause) => void): ClauseGroup {
  const clauses: Clause[] = [];
  const add = (
    clauseName: string,
    second: ClauseOptions | Clause["run"],
    third?: (context: ClauseContext) => Promise<void>,
  ): void => {
    const options = typeof second === "function" ? {} : second;
    const run = typeof second === "function" ? second : third;
    if (run === undefined) throw new TypeError(`the clause ${clauseName} has no body`);
    clauses.push({
      name: clauseName,
      needs: options.needs ?? [],
      run,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(options.alone === undefined ? {} : { alone: options.alone }),
    });
  };
  body(add);
  return { name, clauses };
}
