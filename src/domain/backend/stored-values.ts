/** The port that puts values in the place of stored ones (P2), over a driver that can. */
import type { CallOptions } from "../../contract/call.js";
import type { StoredReplacement, StoredValues } from "../../contract/stored-replacement.js";
import { knownOptions } from "../arguments.js";
import type { ReplacementRow } from "../driver/replacements.js";
import type { StorageDriver } from "../driver/storage-driver.js";
import { takeReplacements } from "../replacements.js";
import { EACH_STEP, Slices } from "../slices.js";
import type { RunCall } from "./run-call.js";

export function storedValueVerbs(run: RunCall, driver: StorageDriver): Partial<StoredValues> {
  const replace = driver.replaceStored?.bind(driver);
  if (replace === undefined) return {};
  return {
    replaceStored: async (replacements: readonly StoredReplacement[], options?: CallOptions) => {
      const known = knownOptions(options, []);
      const taken = takeReplacements(replacements);
      return run("replaceStored", known, async (call) => {
        const slices = new Slices(call, EACH_STEP);
        const rows: ReplacementRow[] = [];
        for (const each of taken) {
          rows.push(await slices.run(each()));
          if (slices.over()) await slices.next();
        }
        return rows.length === 0 ? [] : replace(call, rows);
      });
    },
  };
}
