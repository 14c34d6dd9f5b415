// Runs every test from the sources; the TypeScript of `src` is imported with its `.js` suffix, as the build emits it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    restoreMocks: true,
    passWithNoTests: false,
  },
});
