// The official suite for savers, which takes its functions from the globals of a test runner.
import type { CheckpointSaverTestInitializer } from "@langchain/langgraph-checkpoint-validation";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";

Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });
const { deltaChannelHistoryTests, validate } = await import("@langchain/langgraph-checkpoint-validation");

/**
 * Every test of the suite, also those of the delta history, which it leaves to be asked for.
 * @param where the backend, for the names of the tests
 * @param open an empty storage for a saver, which is closed with it
 */
export function runOfficialSuite(where: string, open: () => StorageBackend): void {
  const opened = new Map<WaystoneSaver, StorageBackend>();
  const initializer: CheckpointSaverTestInitializer<WaystoneSaver> = {
    checkpointerName: `WaystoneSaver ${where}`,
    createCheckpointer() {
      const storage = open();
      const saver = new WaystoneSaver(storage);
      opened.set(saver, storage);
      return saver;
    },
    async destroyCheckpointer(saver) {
      await opened.get(saver)?.close();
      opened.delete(saver);
    },
  };
  validate(initializer);
  deltaChannelHistoryTests(initializer);
}
