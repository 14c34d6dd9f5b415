/** The kit under a test framework. */
import type { ClauseScale } from "./clause.js";
import { CLAUSE_GROUPS } from "./clauses/index.js";
import { clauseScale, reasonToSkip, runClause } from "./run-clause.js";
import type { TestRunner } from "./runner.js";
import type { StorageFactory } from "./storage-factory.js";

/** Options of `describeStorage`. */
export interface DescribeStorageOptions {
  /** How much the large clauses do. Default: as `ClauseScale` says. */
  readonly scale?: Partial<ClauseScale> | undefined;
  /** Only clauses whose name this accepts. Default: all of them. */
  readonly filter?: ((name: string) => boolean) | undefined;
}

/** Registers a test for each clause of the contract; one that the store does not support is reported as skipped. */
export function describeStorage(
  name: string,
  factory: StorageFactory,
  runner: TestRunner,
  options: DescribeStorageOptions = {},
): void {
  const scale = clauseScale(options.scale);
  const chosen = options.filter ?? (() => true);
  runner.describe(name, () => {
    for (const group of CLAUSE_GROUPS) {
      const clauses = group.clauses.filter((clause) => chosen(clause.name));
      if (clauses.length === 0) continue;
      runner.describe(group.name, () => {
        for (const clause of clauses) {
          const reason = reasonToSkip(clause, factory);
          if (reason === undefined) runner.it(clause.name, () => runClause(clause, factory, scale), clause.timeoutMs);
          else runner.skip(clause.name, reason);
        }
      });
    }
  });
}
