/** The feed of changes of the memory backend (F8): each is told when its call is over, in the same process. */
import type { Call } from "../../domain/driver/call.js";
import { ChangeListeners, changesOf, notingChanges } from "../../domain/driver/changes.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";

type Verb = (call: Call, ...rest: unknown[]) => unknown;

/** Calls that are about the store itself, or give no promise. */
const ASIDE: ReadonlySet<string> = new Set(["open", "close", "exportRecords", "mapError"]);

export function tellingChanges(driver: StorageDriver): StorageDriver {
  const listeners = new ChangeListeners();
  const verbs = Object.entries(notingChanges(driver)).map(([name, verb]) => {
    if (typeof verb !== "function" || ASIDE.has(name)) return [name, verb] as const;
    const told: Verb = async (call, ...rest) => {
      try {
        return await (verb as Verb)(call, ...rest);
      } finally {
        // Also what was refused may have had an effect.
        for (const change of changesOf(call)) listeners.tell({ tenant: call.tenant, ...change });
      }
    };
    return [name, told] as const;
  });
  const changes = {
    subscribe: (listener: Parameters<ChangeListeners["add"]>[0]) => {
      listener("lost");
      return listeners.add(listener);
    },
  };
  return { ...(Object.fromEntries(verbs) as unknown as StorageDriver), changes };
}
