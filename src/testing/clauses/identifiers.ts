/** Identifiers: what is legal is literal, what is not is refused before any I/O, and two never meet (I1, I2). */
import { compareCodePoints } from "../../domain/identifiers.js";
import { equal, itemsOf, label, present, recordsOf, refused, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { BAD_IDENTIFIERS, HOSTILE_IDENTIFIERS, LONGEST_IDENTIFIERS } from "../hostile-identifiers.js";
import { IDENTIFIER_ARGUMENTS } from "../identifier-arguments.js";
import { prepareStore } from "../operation-calls.js";

const LEGAL: readonly string[] = [...HOSTILE_IDENTIFIERS, ...LONGEST_IDENTIFIERS];

export const identifierClauses: ClauseGroup = clauseGroup("identifiers", (clause) => {
  for (const [operation, rows] of Object.entries(IDENTIFIER_ARGUMENTS)) {
    for (const { argument, call, emptyIsLegal, optional, nullIsLegal } of rows) {
      clause(
        `I1 ${operation} refuses a ${argument} that is no identifier, before anything is changed`,
        async ({ storage }) => {
          await prepareStore(storage);
          const bad = BAD_IDENTIFIERS.filter(([, value]) => !(value === null && nullIsLegal));
          await unchanged(storage, async () => {
            for (const [fault, value] of bad)
              await refused(() => call(storage, value as string), `${argument}: ${fault}`);
            if (!emptyIsLegal) await refused(() => call(storage, ""), `an empty ${argument}`);
            if (!optional) await refused(() => call(storage, undefined as unknown as string), `an absent ${argument}`);
          });
        },
      );
    }
  }

  clause("I1 every legal identifier names a session of its own", async ({ storage }) => {
    for (const id of LEGAL) {
      await storage.createSession(id, `user of ${id.slice(0, 20)}`);
      await storage.addConversationMessage(id, "user", `message of ${id}`);
      await storage.storeTaskContext(id, { of: id });
      await storage.updateSession(id, { metadata: { id } });
    }
    for (const id of LEGAL) {
      const session = present(await storage.getSession(id), `session ${label(id)}`);
      equal([session.sessionId, session.metadata.id, session.messageCount], [id, id, 1]);
      equal(
        (await storage.getConversationHistory(id)).map((message) => [message.sessionId, message.content]),
        [[id, `message of ${id}`]],
      );
      equal((await storage.getTaskContext(id))?.context, { of: id });
    }
    const listed = await itemsOf((cursor) => storage.listSessions({ limit: 17, cursor }));
    equal(listed.map((session) => session.sessionId).sort(compareCodePoints), [...LEGAL].sort(compareCodePoints));
    equal(
      (await storage.batchGetSessions(LEGAL)).map((session) => session?.sessionId),
      LEGAL,
    );
  });

  clause("I2 deleting a session leaves the session of every other identifier whole", async ({ storage }) => {
    const remaining = new Set(HOSTILE_IDENTIFIERS);
    for (const id of remaining) {
      await storage.createSession(id, "u");
      await storage.addConversationMessage(id, "user", id);
      await storage.storeCheckpoint(`thread of ${id}`, "c", id, { sessionId: id });
    }
    for (const id of HOSTILE_IDENTIFIERS.filter((_, index) => index % 3 === 0)) {
      equal(await storage.deleteSession(id), true, `deleteSession(${label(id)})`);
      remaining.delete(id);
    }
    for (const id of HOSTILE_IDENTIFIERS) {
      const stays = remaining.has(id);
      equal((await storage.getSession(id))?.sessionId, stays ? id : undefined);
      equal(
        (await storage.getConversationHistory(id)).map((message) => message.content),
        stays ? [id] : [],
      );
      equal((await storage.getCheckpoint(`thread of ${id}`))?.data, stays ? id : undefined);
    }
  });

  clause("I1 every legal identifier is a user of its own", async ({ storage }) => {
    await storage.batchCreateSessions(LEGAL.map((userId, index) => ({ sessionId: `s${index}`, userId })));
    for (const [index, userId] of LEGAL.entries()) {
      const { items } = await storage.listSessions({ userId });
      equal(
        items.map((session) => [session.sessionId, session.userId]),
        [[`s${index}`, userId]],
      );
    }
  });

  clause("I1 every legal identifier is a messageId of its own", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const messageId of LEGAL) await storage.addConversationMessage("s", "user", messageId, { messageId });
    const messages = await storage.getConversationHistory("s", { limit: 1_000 });
    equal(
      messages.map((message) => [message.messageId, message.content]),
      LEGAL.map((id) => [id, id]),
    );
    for (const [index, messageId] of LEGAL.entries()) {
      const repeated = await storage.addConversationMessage("s", "user", "again", { messageId });
      equal([repeated.seq, repeated.content], [index + 1, messageId]);
    }
  });

  clause("I1 every legal identifier is a role of its own", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      LEGAL.map((role) => ({ role, content: role })),
    );
    for (const role of LEGAL) {
      const found = await storage.getConversationHistory("s", { roles: [role] });
      equal(
        found.map((message) => [message.role, message.content]),
        [[role, role]],
      );
    }
  });

  clause("I1 every legal identifier names a thread of its own", async ({ storage }) => {
    for (const id of LEGAL) {
      await storage.storeCheckpoint(id, "c", { of: id });
      await storage.putWrites(id, "c", "task", [["channel", id]]);
    }
    for (const id of LEGAL) {
      const found = present(await storage.getCheckpoint(id, { writes: true }), `thread ${label(id)}`);
      equal([found.threadId, found.data], [id, { of: id }]);
      equal(
        found.writes?.map((write) => write.value),
        [id],
      );
    }
    const listed = await itemsOf((cursor) => storage.listThreads({ limit: 13, cursor }));
    equal(listed.map((thread) => thread.threadId).sort(compareCodePoints), [...LEGAL].sort(compareCodePoints));
  });

  clause('I2 deleteThread("user") leaves "user:1" and every other thread', async ({ storage }) => {
    for (const id of HOSTILE_IDENTIFIERS) await storage.storeCheckpoint(id, "c", id);
    const gone = new Set(["user", "a", "%", "_", "*", ".", "/", "\\", "__proto__", "\u00e9", "K", "{"]);
    for (const id of HOSTILE_IDENTIFIERS.filter((each) => gone.has(each))) {
      equal(await storage.deleteThread(id), true, `deleteThread(${label(id)})`);
    }
    for (const id of HOSTILE_IDENTIFIERS) equal((await storage.getCheckpoint(id))?.data, gone.has(id) ? undefined : id);
  });

  clause("I1 every legal identifier names a checkpoint of its own", async ({ storage }) => {
    for (const id of LEGAL) await storage.storeCheckpoint("t", id, id, { parentId: id });
    for (const checkpointId of LEGAL) {
      const found = present(await storage.getCheckpoint("t", { checkpointId }), `checkpoint ${label(checkpointId)}`);
      equal([found.checkpointId, found.parentId, found.data], [checkpointId, checkpointId, checkpointId]);
    }
    const listed = await storage.listCheckpoints("t", { limit: 1_000 });
    equal(
      listed.map((checkpoint) => checkpoint.checkpointId),
      [...LEGAL].reverse(),
    );
  });

  clause("I1 every legal identifier, and the empty string, is a namespace of its own", async ({ storage }) => {
    const namespaces = ["", ...LEGAL];
    for (const namespace of namespaces) await storage.storeCheckpoint("t", "c", namespace, { namespace });
    for (const namespace of namespaces) {
      const found = present(await storage.getCheckpoint("t", { namespace }), `namespace ${label(namespace)}`);
      equal([found.namespace, found.data], [namespace, namespace]);
      const listed = await storage.listCheckpoints("t", { namespace });
      equal(
        listed.map((checkpoint) => checkpoint.namespace),
        [namespace],
      );
    }
  });

  clause("I1 every legal identifier is a task, a task path and a channel of its own", async ({ storage }) => {
    for (const id of LEGAL) await storage.putWrites("t", "c", id, [[id, id]], { taskPath: id });
    const writes = await storage.getWrites("t", "c");
    equal(
      writes,
      [...LEGAL].sort(compareCodePoints).map((id) => ({ taskId: id, taskPath: id, index: 0, channel: id, value: id })),
    );
  });

  clause("I1 every legal identifier is an idempotencyKey of its own", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const idempotencyKey of LEGAL) await storage.updateSession("s", { idempotencyKey, incrementRequests: true });
    for (const [index, idempotencyKey] of LEGAL.entries()) {
      const repeated = await storage.updateSession("s", { idempotencyKey, incrementRequests: true });
      equal(repeated.requestCount, index + 1);
    }
  });

  clause("I1 every legal identifier is a key of an item of its own", async ({ storage }) => {
    for (const key of LEGAL) await storage.putItem(["n"], key, { key });
    for (const key of LEGAL) equal((await storage.getItem(["n"], key))?.value, { key });
    const found = await itemsOf((cursor) => storage.searchItems(["n"], { orderBy: "key", limit: 11, cursor }));
    equal(
      found.map((item) => item.key),
      [...LEGAL].sort(compareCodePoints),
    );
    for (const key of LEGAL.filter((_, index) => index % 2 === 0)) equal(await storage.deleteItem(["n"], key), true);
    for (const [index, key] of LEGAL.entries()) {
      equal((await storage.getItem(["n"], key))?.key, index % 2 === 0 ? undefined : key);
    }
  });

  clause("I1 every legal identifier is a label of its own", async ({ storage }) => {
    for (const label of LEGAL) await storage.putItem(["n", label], "k", { label });
    for (const label of LEGAL) {
      equal((await storage.getItem(["n", label], "k"))?.value, { label });
      const below = await storage.searchItems(["n", label]);
      equal(
        below.items.map((item) => item.namespace),
        [["n", label]],
      );
    }
    const namespaces = await itemsOf((cursor) => storage.listNamespaces({ limit: 9, cursor }));
    equal(
      namespaces,
      [...LEGAL].sort(compareCodePoints).map((label) => ["n", label]),
    );
    equal(await storage.deleteItems(["n", "user"]), 1);
    equal((await storage.getItem(["n", "user:1"], "k"))?.value, { label: "user:1" });
  });

  clause("I1 every legal identifier is a session, a thread and an owner of leases", async ({ storage }) => {
    for (const id of LEGAL) {
      await storage.createSession(id, "u");
      const onSession = await storage.acquireLease({ session: id }, { owner: id, ttlMs: 60_000 });
      const onThread = await storage.acquireLease({ thread: id }, { owner: id, ttlMs: 60_000 });
      equal([onSession.subject, onSession.owner], [{ session: id }, id]);
      equal([onThread.subject, onThread.owner], [{ thread: id }, id]);
    }
    for (const id of LEGAL) {
      await storage.storeCheckpoint(id, "c", id, {
        lease: await storage.acquireLease({ thread: id }, { owner: id, ttlMs: 60_000 }),
      });
    }
  });

  clause(
    "I1 every legal identifier is a thread that can be linked, copied, pruned, exported and compared",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const id of HOSTILE_IDENTIFIERS) {
        await storage.storeCheckpoint(id, "c", 1, { expectedHead: null });
        await storage.storeCheckpoint(id, id, id, { expectedHead: "c", sessionId: "s" });
        await rejects("CONFLICT", storage.storeCheckpoint(id, "other", 1, { expectedHead: `${id}x` }), label(id));
      }
      for (const id of HOSTILE_IDENTIFIERS) {
        equal(await storage.copyThread(id, `copy of ${id}`), true, label(id));
        equal((await storage.getCheckpoint(`copy of ${id}`))?.data, id);
        equal((await storage.pruneCheckpoints({ keepLast: 1, threadId: id })).removedCheckpoints, 1, label(id));
        const [thread] = await recordsOf(storage, { threadId: id });
        equal(thread?.kind === "thread" ? thread.thread_id : undefined, id);
      }
      equal((await storage.listThreads({ limit: 1_000 })).items.length, HOSTILE_IDENTIFIERS.length * 2);
    },
  );

  clause(
    "I1 every legal identifier is a session that can be linked, shared, exported and ended",
    async ({ storage, support }) => {
      await storage.createSession("giver", "u");
      await storage.storeTaskContext("giver", "shared");
      for (const id of HOSTILE_IDENTIFIERS) {
        await storage.createSession(id, "u");
        if (support.sharedContexts === false) await storage.storeTaskContext(id, "shared");
        else await storage.shareTaskContext("giver", id);
        await storage.storeCheckpoint(`thread of ${id}`, "c", id, { sessionId: id });
        await storage.addConversationMessage(id, "user", id);
      }
      for (const id of HOSTILE_IDENTIFIERS) {
        equal((await storage.getTaskContext(id))?.context, "shared");
        const threads = (await storage.listThreads({ sessionId: id })).items;
        equal(
          threads.map((thread) => thread.threadId),
          [`thread of ${id}`],
        );
        const [session] = await recordsOf(storage, { sessionId: id });
        equal(session?.kind === "session" ? session.session_id : undefined, id);
        equal((await storage.endSession(id)).sessionId, id);
        equal(await storage.deleteConversationMessages(id, "all"), 1);
      }
    },
  );

  clause("I1 every legal identifier names a tenant of its own", async ({ storage }) => {
    for (const name of LEGAL) await storage.tenant(name).createSession("s", "u", { metadata: { name } });
    for (const name of LEGAL) {
      const view = storage.tenant(name);
      equal(view.tenantName, name);
      const { items } = await view.listSessions();
      equal(
        items.map((session) => session.metadata),
        [{ name }],
      );
    }
  });
});
