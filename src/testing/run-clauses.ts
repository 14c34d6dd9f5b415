/** The kit without a test framework: a collecting run, for proofs and for the command line. */
import type { Clause, ClauseScale } from "./clause.js";
import { CLAUSE_GROUPS } from "./clauses/index.js";
import { clauseScale, reasonToSkip, runClause } from "./run-clause.js";
import type { StorageFactory } from "./storage-factory.js";

/** Options of `runClauses`. */
export interface RunClausesOptions {
  /** Only clauses whose name this accepts. Default: all of them. */
  readonly filter?: ((name: string) => boolean) | undefined;
  /** Begin no further clause after the first failure. Default `false`. */
  readonly bail?: boolean | undefined;
  /** Clauses that run at once, each on its own store. Default 1. */
  readonly concurrency?: number | undefined;
  /** A clause that takes longer has failed. Default 30,000; clauses that need more say so themselves. */
  readonly timeoutMs?: number | undefined;
  /** How much the large clauses do. Default: as `ClauseScale` says. */
  readonly scale?: Partial<ClauseScale> | undefined;
}

/** A clause that failed, and why. */
export interface FailedClause {
  readonly name: string;
  readonly error: unknown;
}

/** A clause that did not run, and why. */
export interface SkippedClause {
  readonly name: string;
  readonly reason: string;
}

/** What became of the clauses, each in the order of the kit. */
export interface ClauseReport {
  readonly passed: string[];
  readonly failed: FailedClause[];
  readonly skipped: SkippedClause[];
}

/** Runs the clauses and reports; it never rejects because a clause failed. */
export async function runClauses(factory: StorageFactory, options: RunClausesOptions = {}): Promise<ClauseReport> {
  const scale = clauseScale(options.scale);
  const chosen = options.filter ?? (() => true);
  const clauses = CLAUSE_GROUPS.flatMap((group) => group.clauses).filter((clause) => chosen(clause.name));
  const outcomes = new Map<Clause, Outcome>();
  let stopped = false;
  const work = async (queue: Clause[]): Promise<void> => {
    for (let clause = queue.shift(); clause !== undefined && !stopped; clause = queue.shift()) {
      const reason = reasonToSkip(clause, factory);
      const outcome =
        reason === undefined
          ? await outcomeOf(clause, factory, scale, clause.timeoutMs ?? options.timeoutMs ?? 30_000)
          : { skipped: reason };
      outcomes.set(clause, outcome);
      if ("error" in outcome && options.bail === true) stopped = true;
    }
  };
  const together = clauses.filter((clause) => clause.alone !== true);
  await Promise.all(Array.from({ length: options.concurrency ?? 1 }, () => work(together)));
  await work(clauses.filter((clause) => clause.alone === true));
  return reportOf(clauses, outcomes);
}

type Outcome = { readonly passed: true } | { readonly error: unknown } | { readonly skipped: string };

async function outcomeOf(
  clause: Clause,
  factory: StorageFactory,
  scale: ClauseScale,
  timeoutMs: number,
): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the clause did not end within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([runClause(clause, factory, scale), late]);
    return { passed: true };
  } catch (error) {
    return { error };
  } finally {
    clearTimeout(timer);
  }
}

function reportOf(clauses: readonly Clause[], outcomes: ReadonlyMap<Clause, Outcome>): ClauseReport {
  const report: ClauseReport = { passed: [], failed: [], skipped: [] };
  for (const clause of clauses) {
    const outcome = outcomes.get(clause);
    if (outcome === undefined) continue;
    if ("passed" in outcome) report.passed.push(clause.name);
    else if ("error" in outcome) report.failed.push({ name: clause.name, error: outcome.error });
    else report.skipped.push({ name: clause.name, reason: outcome.skipped });
  }
  return report;
}
