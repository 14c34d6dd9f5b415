// The official suite for savers, which takes its functions from the globals of a test runner.
import type { CheckpointSaverTestInitializer } from "@langchain/langgraph-checkpoint-validation";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";

Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });
const { deltaChannelHistoryTests, validate } = await import("@langchain/langgraph-checkpoint-validation");

/** Every test of the suite, also those of the delta history, which it leaves to be asked for. */
export function runOfficialSuite(initializer: CheckpointSaverTestInitializer<WaystoneSaver>): void {
  validate(initializer);
  deltaChannelHistoryTests(initializer);
}
