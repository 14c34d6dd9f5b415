/** Two different pairs of identifiers never meet, whatever a backend joins them with (I2). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, present } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { COLLIDING_PAIRS } from "../hostile-identifiers.js";

interface PairOf {
  readonly what: string;
  readonly put: (storage: StorageBackend, first: string, second: string, value: string) => Promise<unknown>;
  readonly get: (storage: StorageBackend, first: string, second: string) => Promise<unknown>;
}

const PAIRS: readonly PairOf[] = [
  {
    what: "thread and checkpoint",
    put: (storage, thread, checkpoint, value) => storage.storeCheckpoint(thread, checkpoint, value),
    get: async (storage, thread, checkpointId) => (await storage.getCheckpoint(thread, { checkpointId }))?.data,
  },
  {
    what: "thread and namespace",
    put: (storage, thread, namespace, value) => storage.storeCheckpoint(thread, "c", value, { namespace }),
    get: async (storage, thread, namespace) => (await storage.getCheckpoint(thread, { namespace }))?.data,
  },
  {
    what: "namespace and checkpoint",
    put: (storage, namespace, checkpoint, value) => storage.storeCheckpoint("t", checkpoint, value, { namespace }),
    get: async (storage, namespace, checkpointId) =>
      (await storage.getCheckpoint("t", { namespace, checkpointId }))?.data,
  },
  {
    what: "thread and the checkpoint of writes",
    put: (storage, thread, checkpoint, value) => storage.putWrites(thread, checkpoint, "task", [["channel", value]]),
    get: async (storage, thread, checkpoint) => onlyOne(await storage.getWrites(thread, checkpoint))?.value,
  },
  {
    what: "namespace and the checkpoint of writes",
    put: (storage, namespace, checkpoint, value) =>
      storage.putWrites("t", checkpoint, "task", [["channel", value]], { namespace }),
    get: async (storage, namespace, checkpoint) =>
      onlyOne(await storage.getWrites("t", checkpoint, { namespace }))?.value,
  },
  {
    what: "checkpoint and task",
    put: (storage, checkpoint, task, value) => storage.putWrites("t", checkpoint, task, [["channel", value]]),
    get: async (storage, checkpoint, task) =>
      onlyOne((await storage.getWrites("t", checkpoint)).filter((write) => write.taskId === task))?.value,
  },
  {
    what: "session and messageId",
    put: async (storage, session, messageId, value) => {
      await storage.createSession(session, "u", { ifExists: "return" });
      await storage.addConversationMessage(session, "user", value, { messageId });
    },
    get: async (storage, session, messageId) =>
      onlyOne((await storage.getConversationHistory(session)).filter((message) => message.messageId === messageId))
        ?.content,
  },
  {
    what: "session and idempotencyKey",
    put: async (storage, session, idempotencyKey, value) => {
      await storage.createSession(session, "u", { ifExists: "return" });
      await storage.updateSession(session, { idempotencyKey, metadata: { value } });
    },
    get: async (storage, session, idempotencyKey) => {
      const before = present(await storage.getSession(session), `session ${session}`);
      const repeated = await storage.updateSession(session, {
        idempotencyKey,
        metadata: { value: `${session} ${idempotencyKey}` },
      });
      equal((await storage.getSession(session))?.version, before.version, "the version after a repeated key");
      return repeated.metadata.value;
    },
  },
  {
    what: "tenant and session",
    put: (storage, tenant, session, value) =>
      storage.tenant(tenant).createSession(session, "u", { metadata: { value } }),
    get: async (storage, tenant, session) => (await storage.tenant(tenant).getSession(session))?.metadata.value,
  },
  {
    what: "tenant and thread",
    put: (storage, tenant, thread, value) => storage.tenant(tenant).storeCheckpoint(thread, "c", value),
    get: async (storage, tenant, thread) => (await storage.tenant(tenant).getCheckpoint(thread))?.data,
  },
  {
    what: "tenant and label",
    put: (storage, tenant, label, value) => storage.tenant(tenant).putItem([label], "k", { value }),
    get: async (storage, tenant, label) => (await storage.tenant(tenant).getItem([label], "k"))?.value.value,
  },
  {
    what: "label and key",
    put: (storage, label, key, value) => storage.putItem([label], key, { value }),
    get: async (storage, label, key) => (await storage.getItem([label], key))?.value.value,
  },
  {
    what: "label and label",
    put: (storage, first, second, value) => storage.putItem([first, second], "k", { value }),
    get: async (storage, first, second) => (await storage.getItem([first, second], "k"))?.value.value,
  },
];

export const identifierPairClauses: ClauseGroup = clauseGroup("pairs of identifiers", (clause) => {
  for (const { what, put, get } of PAIRS) {
    clause(`I2 two different pairs of ${what} never meet`, async ({ storage }) => {
      for (const [first, second] of COLLIDING_PAIRS) await put(storage, first, second, `${first} ${second}`);
      for (const [first, second] of COLLIDING_PAIRS) {
        equal(await get(storage, first, second), `${first} ${second}`, label([first, second]));
      }
    });
  }

  clause("I2 a list of labels is not the list of its parts", async ({ storage }) => {
    const namespaces = [
      ["a"],
      ["a", "b"],
      ["a", "b", "c"],
      ["a,b"],
      ["a,b", "c"],
      ["a", "b,c"],
      ["a/b", "c"],
      ["ab"],
      ['a","b'],
    ];
    for (const namespace of namespaces) await storage.putItem(namespace, "k", { at: namespace });
    for (const namespace of namespaces) equal((await storage.getItem(namespace, "k"))?.value, { at: namespace });
    equal(await storage.deleteItem(["a", "b"], "k"), true);
    for (const namespace of namespaces.filter((_, index) => index !== 1)) {
      equal((await storage.getItem(namespace, "k"))?.value, { at: namespace });
    }
  });

  clause("I2 the lease of a session is not the lease of the thread with the same identifier", async ({ storage }) => {
    await storage.createSession("x", "u");
    const onSession = await storage.acquireLease({ session: "x" }, { owner: "a", ttlMs: 60_000 });
    const onThread = await storage.acquireLease({ thread: "x" }, { owner: "b", ttlMs: 60_000 });
    await storage.updateSession("x", { markError: true }, { lease: onSession });
    await storage.storeCheckpoint("x", "c", 1, { lease: onThread });
    equal(await storage.releaseLease(onThread), true);
    await storage.updateSession("x", { markError: true }, { lease: onSession });
  });
});

function onlyOne<T>(list: readonly T[]): T | undefined {
  equal(list.length, 1, "the number of matches");
  return list[0];
}
