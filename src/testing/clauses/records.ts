/** The record stream: export and import reproduce a store exactly (P1). */
import type { MessageRecord, RecordKind, SessionRecord, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, present, recordsOf, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { countKinds } from "../record-samples.js";

export const recordClauses: ClauseGroup = clauseGroup("records", (clause) => {
  clause(
    "P1 importing what was exported reproduces the store: its export is the same, record by record",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const other = await openOther();
      const report = await other.importRecords(storage.exportRecords());
      equal(await recordsOf(other), records);
      equal([report.skipped, report.replaced], [0, 0]);
      equal(report.imported, countKinds(records));
    },
  );

  clause(
    "P1 every reader of an imported store sees what readers of the first one see",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const other = await openOther();
      await other.importRecords(storage.exportRecords());
      equal(await readAll(other), await readAll(storage));
    },
  );

  clause("P1 records survive JSON: one document each", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const records = await recordsOf(storage);
    const lines = records.map((record) => JSON.stringify(record));
    equal(
      lines.map((line) => JSON.parse(line) as unknown),
      records,
    );
    const other = await openOther();
    await other.importRecords(lines.map((line) => JSON.parse(line) as StorageRecord));
    equal(await recordsOf(other), records);
  });

  clause(
    "P1 a session's record has the specification's serialised form",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const created = new Date(clock.now()).toISOString();
      await storage.createSession("s", "u", { metadata: { a: 1 }, ttlMs: 60_000 });
      clock.advance(1_234);
      await storage.addConversationMessage("s", "user", "hello", { messageId: "m", metadata: { b: 2 } });
      await storage.updateSession("s", {
        incrementRequests: 3,
        addProcessingTime: 0.75,
        markError: true,
        status: "failed",
      });
      const updated = new Date(clock.now()).toISOString();
      const session: SessionRecord = {
        kind: "session",
        session_id: "s",
        user_id: "u",
        created_at: created,
        updated_at: updated,
        status: "failed",
        metadata: { a: 1 },
        metrics: { request_count: 3, total_processing_time: 0.75, error_count: 1 },
        version: 2,
        last_seq: 1,
        ttl_ms: 60_000,
      };
      const message: MessageRecord = {
        kind: "message",
        session_id: "s",
        seq: 1,
        message_id: "m",
        role: "user",
        content: "hello",
        timestamp: updated,
        metadata: { b: 2 },
      };
      equal(await recordsOf(storage), [session, message]);
    },
  );

  clause(
    "P1 the records of contexts, threads, checkpoints, writes and items have the form of the contract",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const at = new Date(clock.now()).toISOString();
      await storage.createSession("s", "u");
      await storage.storeTaskContext("s", { a: [1] }, { metadata: { m: 1 } });
      const info = await storage.storeCheckpoint(
        "t",
        "c",
        { x: 1 },
        { namespace: "n", parentId: "p", sessionId: "s", needsParent: true, metadata: { m: 2 } },
      );
      await storage.putWrites("t", "c", "task", [["channel", [null], -2]], { namespace: "n", taskPath: "path" });
      await storage.putItem(["a", "b"], "k", { v: 1 }, { ttlMs: 5_000 });
      const [session, context, ...rest] = await recordsOf(storage);
      ok(session?.kind === "session" && context?.kind === "task_context", "a session, then its context");
      const id = present(session.context_id, "the context of the session");
      equal(context, {
        kind: "task_context",
        context_id: id,
        version: 1,
        context: { a: [1] },
        metadata: { m: 1 },
        created_at: at,
      });
      equal(rest, [
        { kind: "thread", thread_id: "t", session_id: "s", created_at: at, updated_at: at, last_seq: info.seq },
        {
          kind: "checkpoint",
          thread_id: "t",
          namespace: "n",
          checkpoint_id: "c",
          parent_id: "p",
          session_id: "s",
          needs_parent: true,
          seq: info.seq,
          data: { x: 1 },
          metadata: { m: 2 },
          created_at: at,
        },
        {
          kind: "write",
          thread_id: "t",
          namespace: "n",
          checkpoint_id: "c",
          task_id: "task",
          task_path: "path",
          index: -2,
          channel: "channel",
          value: [null],
        },
        {
          kind: "item",
          namespace: ["a", "b"],
          key: "k",
          value: { v: 1 },
          version: 1,
          created_at: at,
          updated_at: at,
          ttl_ms: 5_000,
          expires_at: new Date(clock.now() + 5_000).toISOString(),
        },
      ]);
    },
  );

  clause(
    "P1 records come in order: sessions with their messages, contexts, threads with checkpoints and writes, items",
    async ({ storage, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const rank: { readonly [Kind in RecordKind]: number } = {
        session: 0,
        message: 0,
        task_context: 1,
        thread: 2,
        checkpoint: 2,
        write: 2,
        item: 3,
      };
      const ranks = records.map((record) => rank[record.kind]);
      equal(
        ranks,
        [...ranks].sort((a, b) => a - b),
      );
      let session: string | undefined;
      let thread: string | undefined;
      let position = 0;
      for (const record of records) {
        if (record.kind === "session") [session, position] = [record.session_id, 0];
        if (record.kind === "thread") [thread, position] = [record.thread_id, 0];
        if (record.kind === "message") equal(record.session_id, session, "the session of a message");
        if (record.kind === "checkpoint" || record.kind === "write")
          equal(record.thread_id, thread, "the thread of a record");
        if (record.kind === "message" || record.kind === "checkpoint") {
          ok(record.seq > position, "seq increases");
          position = record.seq;
        }
      }
      equal(new Set(records.filter((record) => record.kind === "session").map((record) => record.session_id)).size, 7);
    },
  );

  clause("P1 two exports of an unchanged store are the same", async ({ storage, support }) => {
    await fillStore(storage, support);
    equal(await recordsOf(storage), await recordsOf(storage));
  });

  clause("P1 an imported store goes on where the first one was", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    equal((await other.addConversationMessage("gaps", "user", "next")).seq, 8);
    equal((await other.addConversationMessage("plain", "user", "x", { messageId: "m1" })).content, "one");
    const sharing = support.sharedContexts === false ? "sharer" : "sharing";
    equal((await other.storeTaskContext(sharing, "next", { expectedVersion: 23 })).version, 24);
    equal((await other.getTaskContext("sharer"))?.context, "next");
    const head = present(await storage.getCheckpoint("linked"), "the head");
    equal((await other.getCheckpoint("linked"))?.checkpointId, head.checkpointId);
    const next = await other.storeCheckpoint("linked", "next", 1, { expectedHead: head.checkpointId });
    ok(next.seq > head.seq, "the next seq is larger");
    equal((await other.putItem(["a"], "k", {}, { expectedVersion: 2 })).version, 3);
    const version = present(await other.getSession("plain"), "the session").version;
    equal((await other.updateSession("plain", { expectedVersion: version })).version, version + 1);
    await other.deleteSession("plain");
    equal(await other.getCheckpoint("linked"), undefined);
    ok((await storage.getCheckpoint("linked")) !== undefined, "the first store has its thread");
  });

  clause(
    "P1 seq goes on after an import although the newest records were deleted before",
    async ({ storage, openOther }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessages(
        "s",
        times(4, () => ({ role: "user", content: "a" })),
      );
      await storage.deleteConversationMessages("s", "all");
      const other = await openOther();
      await other.importRecords(storage.exportRecords());
      equal((await other.addConversationMessage("s", "user", "b")).seq, 5);
    },
  );

  clause("P1 times to live go on in an imported store", { needs: ["clock"] }, async ({ storage, clock, openOther }) => {
    await storage.createSession("s", "u", { ttlMs: 10_000 });
    await storage.putItem(["n"], "k", {}, { ttlMs: 10_000 });
    clock.advance(6_000);
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    clock.advance(3_999);
    ok(
      (await other.getSession("s")) !== undefined && (await other.getItem(["n"], "k")) !== undefined,
      "both are there",
    );
    clock.advance(1);
    equal([await other.getSession("s"), await other.getItem(["n"], "k")], [undefined, undefined]);
  });
});

/** All that readers see of a store. */
async function readAll(storage: StorageBackend): Promise<unknown> {
  const { items: sessions } = await storage.listSessions({ limit: 1_000, direction: "asc" });
  const { items: threads } = await storage.listThreads({ limit: 1_000 });
  return {
    sessions,
    byUpdate: (await storage.listSessions({ orderBy: "updatedAt" })).items,
    ofUser: (await storage.listSessions({ userId: "user:1" })).items,
    histories: await Promise.all(
      sessions.map(({ sessionId }) => storage.getConversationHistory(sessionId, { limit: 10_000 })),
    ),
    contexts: await Promise.all(sessions.map(({ sessionId }) => storage.getTaskContext(sessionId))),
    versions: await Promise.all(sessions.map(({ sessionId }) => storage.listTaskContextVersions(sessionId))),
    threads,
    linked: (await storage.listThreads({ sessionId: "plain" })).items,
    checkpoints: await Promise.all(
      threads.map(async ({ threadId }) => {
        const listed = await storage.listCheckpoints(threadId, { limit: 1_000, data: true, writes: true });
        // An etag is the store's own.
        return listed.map(({ etag: _etag, ...checkpoint }) => checkpoint);
      }),
    ),
    waiting: await storage.getWrites("linked", "later", { namespace: "inner|a:b" }),
    items: (await storage.searchItems([], { limit: 1_000 })).items,
    namespaces: (await storage.listNamespaces()).items,
  };
}
