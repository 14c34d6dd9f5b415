// Faults of values, records, errors and the life of a store.
import { InvalidArgumentError, SerializationError } from "../../../src/contract/errors.js";
import type { JsonObject } from "../../../src/contract/json.js";
import type { ImportRow } from "../../../src/domain/driver/imports.js";
import { callOf, driverFault, type Fault, meanwhile, storageFault } from "./fault.js";

export const STORE_FAULTS: readonly Fault[] = [
  storageFault("states are stored as JSON", ["V1"], (storage) => ({
    storeCheckpoint: (threadId, checkpointId, data, options) =>
      storage.storeCheckpoint(threadId, checkpointId, JSON.parse(JSON.stringify(data) ?? "null"), options),
  })),

  storageFault("a key __proto__ is dropped", ["V3"], (storage) => ({
    storeCheckpoint: (threadId, checkpointId, data, options) =>
      storage.storeCheckpoint(threadId, checkpointId, withoutProto(data), options),
  })),

  storageFault("what cannot be stored is left out", ["V1"], (storage) => ({
    storeTaskContext: async (sessionId, context, options) => {
      try {
        return await storage.storeTaskContext(sessionId, context, options);
      } catch (error) {
        if (!(error instanceof SerializationError)) throw error;
        return storage.storeTaskContext(sessionId, JSON.parse(JSON.stringify(context) ?? "null"), options);
      }
    },
  })),

  storageFault("items are the caller's own objects", ["V1", "V2", "M1"], (storage) => {
    const given = new Map<string, JsonObject>();
    return {
      putItem: (namespace, key, value, options) => {
        given.set(JSON.stringify([namespace, key]), value);
        return storage.putItem(namespace, key, value, options);
      },
      getItem: async (namespace, key, options) => {
        const item = await storage.getItem(namespace, key, options);
        return item && { ...item, value: given.get(JSON.stringify([namespace, key])) ?? item.value };
      },
    };
  }),

  storageFault("an empty id is taken", ["I1"], (storage) => ({
    createSession: (sessionId, ...others) => storage.createSession(sessionId === "" ? "empty" : sessionId, ...others),
    getSession: (sessionId, ...others) => storage.getSession(sessionId === "" ? "empty" : sessionId, ...others),
  })),

  storageFault("an error tells the value that was refused", ["F1"], (storage) => ({
    storeTaskContext: async (sessionId, context, options) => {
      try {
        return await storage.storeTaskContext(sessionId, context, options);
      } catch (error) {
        if (!(error instanceof SerializationError)) throw error;
        throw new SerializationError(error.path, `cannot store ${String(Object.values(Object(context)).join(", "))}`, {
          backend: error.backend,
          operation: error.operation,
        });
      }
    },
  })),

  storageFault("an error does not say which operation failed", ["F1"], (storage) => ({
    updateSession: async (sessionId, update, options) => {
      try {
        return await storage.updateSession(sessionId, update, options);
      } catch (error) {
        if (error instanceof Error && "operation" in error) error.operation = undefined;
        throw error;
      }
    },
  })),

  storageFault("an absent session is an ordinary Error", ["S6", "F1"], (storage) => ({
    updateSession: async (sessionId, update, options) => {
      if ((await storage.getSession(sessionId)) === undefined) throw new Error("no such session");
      return storage.updateSession(sessionId, update, options);
    },
  })),

  storageFault("a signal that was fired is ignored", ["F2"], (storage) => ({
    getSession: (sessionId, { signal: _ignored, ...options } = {}) => storage.getSession(sessionId, options),
    createSession: (sessionId, userId, { signal: _ignored, ...options } = {}) =>
      storage.createSession(sessionId, userId, options),
  })),

  storageFault("close refuses nothing", ["F4"], () => ({ close: async () => undefined })),

  storageFault("close does not wait for what is in flight", ["F4"], (storage) => ({
    addConversationMessage: async (...args) => {
      await meanwhile();
      return storage.addConversationMessage(...args);
    },
    createSession: async (...args) => {
      await meanwhile();
      return storage.createSession(...args);
    },
  })),

  storageFault("a second close fails", ["F4"], (storage) => {
    let closed = false;
    return {
      close: async () => {
        if (closed) throw new InvalidArgumentError("closed twice", { backend: storage.kind, operation: "close" });
        closed = true;
        await storage.close();
      },
    };
  }),

  driverFault("the health check reports another durability", ["F5"], (driver) => ({
    health: async (call) => ({ ...(await driver.health(call)), durability: "crash" }),
  })),

  storageFault("the health check of a closed store throws", ["F7"], (storage) => ({
    healthCheck: async (options) => {
      const report = await storage.healthCheck(options);
      if (report.status === "unhealthy") throw new Error("unhealthy");
      return report;
    },
  })),

  driverFault("metrics count the messages ever added", ["F7"], (driver) => {
    let deleted = 0;
    return {
      deleteMessages: async (...args) => {
        const count = await driver.deleteMessages(...args);
        deleted += count;
        return count;
      },
      metrics: async (call) => {
        const metrics = await driver.metrics(call);
        return { ...metrics, messages: metrics.messages + deleted };
      },
    };
  }),

  driverFault("an import stamps its own times", ["P1"], (driver, clock) => ({
    importBatch: (call, batch) =>
      driver.importBatch(call, {
        ...batch,
        groups: batch.groups.map((group) => ({ ...group, rows: group.rows.map((row) => stamped(row, clock.now())) })),
      }),
  })),

  driverFault("an import loses writes", ["P1"], (driver) => ({
    importBatch: (call, batch) =>
      driver.importBatch(call, {
        ...batch,
        groups: batch.groups.map((group) => ({ ...group, rows: group.rows.filter(({ kind }) => kind !== "write") })),
      }),
  })),

  driverFault("an import overwrites what is there", ["P1"], (driver) => ({
    importBatch: (call, batch) => driver.importBatch(call, { ...batch, onConflict: "replace" }),
  })),

  driverFault("an import that extends replaces what is there", ["P1"], (driver) => ({
    importBatch: (call, batch) =>
      driver.importBatch(call, { ...batch, onConflict: batch.onConflict === "extend" ? "replace" : batch.onConflict }),
  })),

  driverFault("an export of what came later begins one too early", ["P1"], (driver) => ({
    exportRecords: (call, filter) => {
      const { after } = filter;
      return driver.exportRecords(call, after === undefined ? filter : { ...filter, after: Math.max(0, after - 1) });
    },
  })),

  driverFault("an export has the records of every tenant", ["P1", "I2"], (driver, _clock, tenants) => ({
    exportRecords: async function* (call, filter) {
      for (const tenant of tenants) yield* driver.exportRecords(callOf(call, tenant), filter);
    },
  })),

  driverFault("an export leaves out the writes that wait for their checkpoint", ["P1"], (driver) => ({
    exportRecords: async function* (call, filter) {
      const stored = new Set<string>();
      for await (const record of driver.exportRecords(call, filter)) {
        if (record.kind === "checkpoint")
          stored.add(JSON.stringify([record.thread_id, record.namespace, record.checkpoint_id]));
        const place =
          record.kind === "write" && JSON.stringify([record.thread_id, record.namespace, record.checkpoint_id]);
        if (place === false || stored.has(place)) yield record;
      }
    },
  })),
];

function withoutProto(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "__proto__");
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutProto(each)]));
}

function stamped(row: ImportRow, now: number): ImportRow {
  if (row.kind === "session") return { ...row, session: { ...row.session, createdAt: now } };
  if (row.kind === "message") return { ...row, message: { ...row.message, timestamp: now } };
  return row.kind === "checkpoint" ? { ...row, createdAt: now } : row;
}
