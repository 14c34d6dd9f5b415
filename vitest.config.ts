// Runs every test from the sources; the TypeScript of `src` is imported with its `.js` suffix, as the build emits it.
// `npm test` adds `--typecheck`, which compiles `*.test-d.ts` and, with them, all that they import.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    typecheck: { include: ["test/**/*.test-d.ts"] },
    globalSetup: ["test/support/shared-postgres.ts"],
    pool: "forks",
    // On two processors the default is one: much of the tests' time goes by in servers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // For what hangs alone: a busy machine may make a test take many times as long.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    restoreMocks: true,
    reporters: process.env.CI ? ["default", ["json", { outputFile: ".ci/out/tests.json" }]] : ["default"],
  },
});
