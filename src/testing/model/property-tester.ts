/** What is used of `fast-check`, which is not a dependency: a caller passes the module itself. */

/** `import fc from "fast-check"`, or what has the same shape. */
export interface PropertyTester {
  nat(max: number): object;
  array(items: never, constraints: { minLength: number; maxLength: number; size: "max" }): object;
  asyncProperty(values: never, predicate: (choices: number[][]) => Promise<void>): object;
  check(property: never, parameters: CheckParameters): Promise<CheckReport> | CheckReport;
}

export interface CheckParameters {
  readonly numRuns: number;
  readonly seed?: number;
  readonly path?: string;
  readonly unbiased: boolean;
  readonly endOnFailure: boolean;
}

export interface CheckReport {
  readonly failed: boolean;
  readonly numRuns: number;
  readonly counterexample: unknown;
  readonly counterexamplePath: string | null;
  readonly errorInstance: unknown;
}
