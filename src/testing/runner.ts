/** Test runners: the kit names its tests to whatever framework the caller has. */

/** What the kit needs of a test framework. */
export interface TestRunner {
  /** Opens a group; `body` registers its tests at once. */
  describe(name: string, body: () => void): void;
  /** Registers a test. It fails when `body` throws or rejects, or takes longer than `timeoutMs`. */
  it(name: string, body: () => Promise<void> | void, timeoutMs?: number): void;
  /** Registers a test that does not run, with the reason: it must appear in the report. */
  skip(name: string, reason: string): void;
}

/** The parts of vitest that the kit uses: `import { describe, it } from "vitest"`. */
export interface VitestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: (context: VitestContext) => Promise<void> | void, timeoutMs?: number) => unknown;
}

/** What vitest gives to a test. */
export interface VitestContext {
  readonly skip: (reason?: string) => unknown;
}

/** Runs the kit under vitest. A skipped clause is reported as skipped, with its reason. */
export function vitestRunner(vitest: VitestApi): TestRunner {
  return {
    describe: (name, body) => {
      vitest.describe(name, body);
    },
    it: (name, body, timeoutMs) => {
      vitest.it(name, () => body(), timeoutMs);
    },
    skip: (name, reason) => {
      vitest.it(`${name} (${reason})`, (context) => {
        context.skip(reason);
      });
    },
  };
}

/** The parts of `node:test` that the kit uses: `import { describe, it } from "node:test"`. */
export interface NodeTestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, options: NodeTestOptions, body: () => Promise<void> | void) => unknown;
}

/** Options that `node:test` takes for one test. */
export interface NodeTestOptions {
  timeout?: number;
  skip?: string;
}

/** Runs the kit under `node:test`. A skipped clause is reported as skipped, with its reason. */
export function nodeTestRunner(nodeTest: NodeTestApi): TestRunner {
  return {
    describe: (name, body) => {
      nodeTest.describe(name, body);
    },
    it: (name, body, timeoutMs) => {
      nodeTest.it(name, timeoutMs === undefined ? {} : { timeout: timeoutMs }, () => body());
    },
    skip: (name, reason) => {
      nodeTest.it(name, { skip: reason }, () => undefined);
    },
  };
}
