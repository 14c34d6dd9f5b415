// Faults of conversations.
import { randomUUID } from "node:crypto";
import { isExpired } from "../../../src/domain/sessions.js";
import { driverFault, type Fault, ofEveryTenant, storageFault } from "./fault.js";

const EVERYTHING = { limit: 10_000, before: null, after: null, roles: null } as const;

export const CONVERSATION_FAULTS: readonly Fault[] = [
  driverFault("a seq is used again after its message was deleted", ["C1"], (driver, clock) => ({
    deleteMessages: async (call, sessionId, range, fence) => {
      const deleted = await driver.deleteMessages(call, sessionId, range, fence);
      const [session] = await driver.getSessions(call, [sessionId]);
      if (session === undefined || isExpired(session, clock.now())) return deleted;
      const messages = await driver.getHistory(call, sessionId, EVERYTHING);
      // Written anew as a table would be whose next seq is the largest one plus one.
      const { messageCount: _count, ...fields } = session;
      const rows = [
        { kind: "session", session: { ...fields, lastSeq: messages.at(-1)?.seq ?? 0 }, contextId: null } as const,
        ...messages.map((message) => ({ kind: "message", message }) as const),
      ];
      const subject = { kind: "session", id: sessionId } as const;
      await driver.importBatch(call, {
        onConflict: "replace",
        groups: [{ subject, continued: null, firstRecord: 1, rows }],
      });
      return deleted;
    },
  })),

  driverFault("messages are ordered by their timestamp", ["C1", "C2"], (driver) => ({
    getHistory: async (call, sessionId, window) =>
      (await driver.getHistory(call, sessionId, window)).sort((a, b) => a.timestamp - b.timestamp),
  })),

  driverFault("the history is of the oldest messages", ["C2"], (driver) => ({
    getHistory: (call, sessionId, window) =>
      driver.getHistory(call, sessionId, { ...window, after: window.after ?? 0 }),
  })),

  driverFault("the history is newest first", ["C2"], (driver) => ({
    getHistory: async (call, sessionId, window) => (await driver.getHistory(call, sessionId, window)).reverse(),
  })),

  driverFault("a follower gets the newest messages and misses those between", ["C2"], (driver) => ({
    getHistory: async (call, sessionId, window) =>
      (await driver.getHistory(call, sessionId, { ...window, limit: EVERYTHING.limit })).slice(-window.limit),
  })),

  driverFault("after includes its own message", ["C2"], (driver) => ({
    getHistory: (call, sessionId, window) =>
      driver.getHistory(call, sessionId, { ...window, after: window.after === null ? null : window.after - 1 }),
  })),

  driverFault("before skips a message", ["C2"], (driver) => ({
    getHistory: (call, sessionId, window) =>
      driver.getHistory(call, sessionId, { ...window, before: window.before === null ? null : window.before - 1 }),
  })),

  driverFault("roles are looked for among the newest messages only", ["C2"], (driver) => ({
    getHistory: async (call, sessionId, window) =>
      (await driver.getHistory(call, sessionId, { ...window, roles: null })).filter(
        ({ role }) => window.roles?.includes(role) ?? true,
      ),
  })),

  storageFault("limit 0 means no limit", ["C2"], (storage) => ({
    getConversationHistory: (sessionId, options) =>
      storage.getConversationHistory(sessionId, options?.limit === 0 ? { ...options, limit: 10_000 } : options),
  })),

  driverFault("a repeated messageId is added again", ["C4"], (driver) => ({
    addMessages: (call, sessionId, messages, fence) =>
      driver.addMessages(
        call,
        sessionId,
        messages.map((message) => ({ ...message, keyed: false })),
        fence,
      ),
  })),

  driverFault("a repeated messageId replaces the message", ["C4"], (driver) => ({
    addMessages: async (call, sessionId, messages, fence) => {
      const stored = await driver.getHistory(call, sessionId, EVERYTHING);
      const again = messages.map((message) => {
        const known = stored.find(({ messageId }) => messageId === message.messageId);
        return known === undefined ? undefined : { ...known, role: message.role, content: message.content };
      });
      const added = await driver.addMessages(call, sessionId, messages, fence);
      return added.map((message, i) => again[i] ?? message);
    },
  })),

  driverFault("the id that a caller gave to a message is lost", ["C4"], (driver) => ({
    addMessages: (call, sessionId, messages, fence) =>
      driver.addMessages(
        call,
        sessionId,
        messages.map((message) => ({ ...message, messageId: randomUUID() })),
        fence,
      ),
  })),

  storageFault("a batch of messages is added one by one", ["C1", "C6"], (storage) => ({
    addConversationMessages: async (sessionId, messages, options) => {
      const added = [];
      for (const { role, content, ...fields } of messages) {
        added.push(await storage.addConversationMessage(sessionId, role, content, { ...fields, ...options }));
      }
      return added;
    },
  })),

  driverFault("a range of messages includes its bounds", ["C1", "C6"], (driver) => ({
    deleteMessages: (call, sessionId, { after, before }, fence) => {
      const range = { after: after === null ? null : after - 1, before: before === null ? null : before + 1 };
      return driver.deleteMessages(call, sessionId, range, fence);
    },
  })),

  driverFault("the history forgets the tenant", ["I2"], (driver, _clock, tenants) => ({
    getHistory: (call, sessionId, window) =>
      ofEveryTenant(tenants, call, (each) => driver.getHistory(each, sessionId, window)),
  })),
];
