// A journal of a test's own, through the port for journals: it outlives each failover that has it.
import type { FailoverJournal } from "../../../src/layers/index.js";

/** A journal that lives as long as its stores. */
export function keptJournal(): FailoverJournal {
  const entries = new Map<string, string>();
  return {
    open: () => undefined,
    list: (prefix) => [...entries].filter(([name]) => name.startsWith(prefix)),
    get: (name) => entries.get(name),
    write: (changes) => {
      for (const [name, value] of changes) value === null ? entries.delete(name) : entries.set(name, value);
    },
    close: () => undefined,
  };
}
