/** The port that puts values in the place of stored ones (P2), over a driver that can. */
import type { CallOptions } from "../../contract/call.js";
import type { StoredReplacement, StoredValues } from "../../contract/stored-replacement.js";
import { knownOptions } from "../arguments.js";
import type { StorageDriver } from "../driver/storage-driver.js";
import { parseReplacements } from "../replacements.js";
import type { RunCall } from "./run-call.js";

export function storedValueVerbs(run: RunCall, driver: StorageDriver): Partial<StoredValues> {
  const replace = driver.replaceStored?.bind(driver);
  if (replace === undefined) return {};
  return {
    replaceStored: async (replacements: readonly StoredReplacement[], options?: CallOptions) => {
      const known = knownOptions(options, []);
      const rows = parseReplacements(replacements);
      return run("replaceStored", known, async (call) => (rows.length === 0 ? [] : replace(call, rows)));
    },
  };
}
