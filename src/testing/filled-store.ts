/** A store with something of everything: for clauses about what must come back exactly. */
import type { ContentPart } from "../contract/conversation-storage.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { times } from "./assertions.js";
import { KEPT_METADATA } from "./hostile-metadata.js";
import { KEPT_VALUES } from "./hostile-values.js";
import type { StorageSupport } from "./storage-factory.js";

/** Fills an empty store. The session `plain` has the message `m1` with the content `one`; the thread `linked` a checkpoint `c1`. */
export async function fillStore(storage: StorageBackend, { sharedContexts = true }: StorageSupport): Promise<void> {
  const values = KEPT_VALUES.filter(([name]) => !name.includes("megabyte")).map(
    ([name, make]): ContentPart => ({ type: "data", name, value: make() }),
  );

  await storage.createSession("plain", "user:1", { metadata: KEPT_METADATA });
  await storage.addConversationMessage("plain", "user", "one", {
    messageId: "m1",
    timestamp: new Date(1_700_000_000_001),
  });
  await storage.addConversationMessage("plain", "assistant", values, { metadata: { a: [1, null] } });
  await storage.updateSession("plain", { incrementRequests: 7, addProcessingTime: 0.1, markError: true });
  await storage.updateSession("plain", { addProcessingTime: 0.2 });

  await storage.createSession("gaps", "user:1");
  await storage.addConversationMessages(
    "gaps",
    times(7, (i) => ({ role: "user", content: `${i}`, messageId: `g${i}` })),
  );
  await storage.deleteConversationMessages("gaps", { after: 1, before: 4 });
  await storage.deleteConversationMessages("gaps", { after: 6 });
  await storage.endSession("gaps", "failed");

  await storage.createSession("mortal", "\u{1f600}", { ttlMs: 3_600_000, metadata: { "": null } });
  await storage.createSession("empty", "__proto__");

  await storage.createSession("sharer", "u");
  await storage.createSession("sharing", "u");
  for (let version = 1; version <= 23; version++)
    await storage.storeTaskContext("sharer", { version, list: [1n, new Date(version)] }, { metadata: { version } });
  if (sharedContexts) await storage.shareTaskContext("sharer", "sharing");
  await storage.storeTaskContext("plain", values);
  await storage.createSession("unfilled", "u");
  if (sharedContexts) await storage.shareTaskContext("unfilled", "mortal");

  await storage.storeCheckpoint("linked", "c1", { step: 1 }, { sessionId: "plain", metadata: KEPT_METADATA });
  await storage.putWrites(
    "linked",
    "c1",
    "task",
    [
      ["a", 1],
      ["b", new Map([["k", undefined]]), -2],
    ],
    { taskPath: "~pull" },
  );
  await storage.storeCheckpoint("linked", "c2", values, { parentId: "c1", needsParent: true });
  await storage.storeCheckpoint("linked", "c1", { step: "inner" }, { namespace: "inner|a:b", parentId: "absent" });
  await storage.storeCheckpoint("linked", "c1", { step: "again" }, { metadata: { replaced: true } });
  await storage.putWrites("linked", "later", "task", [["waiting", { a: [] }]], { namespace: "inner|a:b" });
  await storage.storeCheckpoint("free", "only", undefined);
  await storage.putWrites("waiting", "c", "task", [["a", 1]]);
  await storage.copyThread("linked", "copied");
  for (let i = 0; i < 5; i++) await storage.storeCheckpoint("pruned", `c${i}`, i);
  await storage.pruneCheckpoints({ keepLast: 2, threadId: "pruned" });
  await storage.storeCheckpoint("gone", "c", 1);
  await storage.deleteThread("gone");

  await storage.putItem(["a"], "k", { v: 1 });
  await storage.putItem(["a"], "k", { v: 2, deep: { list: [1, [null]] } });
  await storage.putItem(["a", "b", "\u{1f600}"], "__proto__", JSON.parse('{"__proto__":{"a":1}}'));
  await storage.putItem(["mortal"], "k", {}, { ttlMs: 3_600_000 });
}
