// Faults of putting values in the place of stored ones.
import type { ReplacementRow } from "../../../src/domain/driver/replacements.js";
import { driverFault, type Fault } from "./fault.js";

export const REPLACEMENT_FAULTS: readonly Fault[] = [
  driverFault("replaceStored does not look at what is stored", ["P2"], (driver) => ({
    replaceStored: async (call, rows) => {
      const results: boolean[] = [];
      for (const row of rows) {
        const window = { limit: 1, before: null, after: row.kind === "message" ? row.seq - 1 : 0, roles: null };
        const [stored] = row.kind === "message" ? await driver.getHistory(call, row.sessionId, window) : [];
        const forced: ReplacementRow =
          row.kind === "message" && stored?.seq === row.seq
            ? { ...row, from: { ...stored, content: String(stored.content) } }
            : row;
        results.push(...((await driver.replaceStored?.(call, [forced])) ?? []));
      }
      return results;
    },
  })),

  driverFault("replaceStored says that it has replaced what was something else", ["P2"], (driver) => ({
    replaceStored: async (call, rows) => {
      await driver.replaceStored?.(call, rows);
      return rows.map(() => true);
    },
  })),

  driverFault("replaceStored moves the time of a session", ["P2"], (driver) => ({
    replaceStored: async (call, rows) => {
      const results = (await driver.replaceStored?.(call, rows)) ?? [];
      for (const [i, row] of rows.entries()) {
        if (row.kind !== "session" || results[i] !== true) continue;
        const change = { mergeMetadata: {}, unsetMetadata: [], status: null, addRequests: 0, addProcessingTime: 0 };
        const rest = { addErrors: 0, expectedVersion: null, idempotency: null };
        await driver.updateSession(call, row.sessionId, { ...change, ...rest }, null);
      }
      return results;
    },
  })),

  driverFault("replaceStored keeps the metadata", ["P2"], (driver) => ({
    replaceStored: async (call, rows) =>
      (await driver.replaceStored?.(
        call,
        rows.map((row) => (row.kind === "message" ? { ...row, to: { ...row.to, metadata: row.from.metadata } } : row)),
      )) ?? [],
  })),
];
