// The kit under other frameworks than the one that tests it: nothing is lost on the way, and a skip is seen.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { CLAUSE_GROUPS } from "../../src/testing/clauses/index.js";
import { describeStorage } from "../../src/testing/describe-storage.js";
import { type TestRunner, vitestRunner } from "../../src/testing/runner.js";
import { repositoryRoot } from "../support/repository.js";
import { memoryFactory } from "./memory-factory.js";

describe("describeStorage", () => {
  it("registers every clause once, in its group", () => {
    const { runner, lines } = recorder();
    describeStorage("memory", memoryFactory, runner);
    const expected = CLAUSE_GROUPS.flatMap((group) => [
      `group ${group.name}`,
      ...group.clauses.map((clause) => `test ${clause.name}`),
    ]);
    // What the memory backend does not declare is registered too, as skipped.
    const registered = lines.map((line) => line.replace(/^skip (.*): the factory .*$/, "test $1"));
    expect(registered).toEqual(["group memory", ...expected]);
  });

  it("registers what is not supported as skipped", () => {
    const { runner, lines } = recorder();
    const factory = { ...memoryFactory, supports: { ...memoryFactory.supports, clock: false } };
    describeStorage("memory", factory, runner, { filter: (name) => name.startsWith("S5 a key is") });
    expect(lines).toContain(
      "skip S5 a key is still known just before 24 hours have passed: the factory declares that the store's time cannot be set",
    );
    expect(lines.filter((line) => line.startsWith("test"))).toEqual([]);
  });
});

describe("vitestRunner", () => {
  it("gives name, body and time limit on, and skips from inside the test", async () => {
    const registered: {
      name: string;
      body: (context: { skip: (reason?: string) => void }) => unknown;
      timeoutMs?: number | undefined;
    }[] = [];
    const runner = vitestRunner({
      describe: (_name, body) => body(),
      it: (name, body, timeoutMs) => registered.push({ name, body, timeoutMs }),
    });
    runner.describe("group", () => {
      runner.it("fails", () => Promise.reject(new Error("no")), 5);
      runner.skip("left out", "no clock");
    });
    const reasons: (string | undefined)[] = [];
    const context = { skip: (reason?: string) => void reasons.push(reason) };
    expect(registered.map(({ name, timeoutMs }) => [name, timeoutMs])).toEqual([
      ["fails", 5],
      ["left out (no clock)", undefined],
    ]);
    await expect(registered[0]?.body(context)).rejects.toThrow("no");
    registered[1]?.body(context);
    expect(reasons).toEqual(["no clock"]);
  });
});

describe("nodeTestRunner", () => {
  it("runs the kit of the package under node:test and shows what was skipped", () => {
    const script = `
      import { describe, it } from "node:test";
      import { memoryStorage } from "waystone/memory";
      import { describeStorage, nodeTestRunner } from "waystone/testing";
      const factory = {
        supports: { reopen: false, secondHandle: false, clock: true },
        create: async () => ({ open: async (options) => memoryStorage(options), destroy: async () => {} }),
      };
      describeStorage("memory", factory, nodeTestRunner({ describe, it }), { filter: (name) => name.startsWith("S2") });`;
    const args = ["--test-reporter=tap", "--input-type=module", "--eval", script];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: repositoryRoot, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/ok \d+ - S2 many concurrent increments raise the count by exactly their number\n/);
    expect(stdout).toMatch(
      /ok \d+ - S2 many increments over two handles .* # SKIP the factory declares that the store takes one handle at a time\n/,
    );
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(stdout).toMatch(/^# skipped 1$/m);
  });
});

function recorder(): { runner: TestRunner; lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    runner: {
      describe: (name, body) => {
        lines.push(`group ${name}`);
        body();
      },
      it: (name) => void lines.push(`test ${name}`),
      skip: (name, reason) => void lines.push(`skip ${name}: ${reason}`),
    },
  };
}
