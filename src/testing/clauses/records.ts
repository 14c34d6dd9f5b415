/** The record stream: export and import reproduce a store exactly (P1). */
import type { MessageRecord, RecordKind, SessionRecord, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, present, recordsOf, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";

export const recordClauses: ClauseGroup = clauseGroup("records", (clause) => {
  clause(
    "P1 importing what was exported reproduces the store: its export is the same, record by record",
    async ({ storage, openOther }) => {
      await fillStore(storage);
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
    async ({ storage, openOther }) => {
      await fillStore(storage);
      const other = await openOther();
      await other.importRecords(storage.exportRecords());
      equal(await readAll(other), await readAll(storage));
    },
  );

  clause("P1 records survive JSON: one document each", async ({ storage, openOther }) => {
    await fillStore(storage);
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
    async ({ storage }) => {
      await fillStore(storage);
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

  clause("P1 two exports of an unchanged store are the same", async ({ storage }) => {
    await fillStore(storage);
    equal(await recordsOf(storage), await recordsOf(storage));
  });

  clause("P1 an imported store goes on where the first one was", async ({ storage, openOther }) => {
    await fillStore(storage);
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    equal((await other.addConversationMessage("gaps", "user", "next")).seq, 8);
    equal((await other.addConversationMessage("plain", "user", "x", { messageId: "m1" })).content, "one");
    equal((await other.storeTaskContext("sharing", "next", { expectedVersion: 23 })).version, 24);
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

  clause(
    "P1 the export of one session has its messages, its context and its linked threads",
    async ({ storage, openOther }) => {
      await fillStore(storage);
      const records = await recordsOf(storage, { sessionId: "plain" });
      equal(countKinds(records), {
        session: 1,
        message: 2,
        task_context: 1,
        thread: 1,
        checkpoint: 3,
        write: 3,
        item: 0,
      });
      const other = await openOther();
      await other.importRecords(records);
      equal(await recordsOf(other), records);
      equal(await recordsOf(storage, { sessionId: "absent" }), []);
      equal(countKinds(await recordsOf(storage, { sessionId: "sharing" })).task_context, 20);
    },
  );

  clause("P1 the export of one thread has its checkpoints and writes", async ({ storage, openOther }) => {
    await fillStore(storage);
    const records = await recordsOf(storage, { threadId: "linked" });
    equal(countKinds(records), {
      session: 0,
      message: 0,
      task_context: 0,
      thread: 1,
      checkpoint: 3,
      write: 3,
      item: 0,
    });
    const other = await openOther();
    await other.importRecords(records);
    equal(
      (await other.listCheckpoints("linked", { data: true, limit: 100 })).map((each) => each.data),
      (await storage.listCheckpoints("linked", { data: true, limit: 100 })).map((each) => each.data),
    );
    equal(
      "sessionId" in present((await other.listThreads()).items[0], "the thread"),
      false,
      "whether it is linked to a session that is not there",
    );
    equal(await recordsOf(storage, { threadId: "absent" }), []);
  });

  clause("P1 kinds choose records, also of one session", async ({ storage }) => {
    await fillStore(storage);
    const all = await recordsOf(storage);
    const choices: RecordKind[][] = [
      ["session"],
      ["message"],
      ["task_context"],
      ["checkpoint", "write"],
      ["item", "session"],
      ["thread"],
      [],
    ];
    for (const kinds of choices)
      equal(
        await recordsOf(storage, { kinds }),
        all.filter((record) => kinds.includes(record.kind)),
        kinds.join(),
      );
    const ofSession = await recordsOf(storage, { sessionId: "plain" });
    equal(
      await recordsOf(storage, { sessionId: "plain", kinds: ["message", "write"] }),
      ofSession.filter(({ kind }) => kind === "message" || kind === "write"),
    );
  });

  clause("P1 exportRecords refuses unknown kinds, fields and contradictions", async ({ storage }) => {
    const filters: unknown[] = [
      { kinds: ["sessions"] },
      { kinds: "session" },
      { kinds: [null] },
      { sessionId: "s", threadId: "t" },
      { userId: "u" },
      { signal: {} },
      "all",
      5,
    ];
    for (const filter of filters) await refused(() => recordsOf(storage, filter as object), label(filter));
  });

  clause(
    "P1 importing what exists rejects with ConflictError, and a small import changes nothing then",
    async ({ storage, openOther }) => {
      await fillStore(storage);
      const records = await recordsOf(storage);
      const other = await openOther();
      for (const record of [sessionOf(records), ...subjectsOf(records, "thread"), ...subjectsOf(records, "item")].slice(
        0,
        12,
      )) {
        await other.importRecords([record]);
      }
      await unchanged(other, async () => {
        await rejects("CONFLICT", other.importRecords([fresh("new"), sessionOf(records)]));
        await rejects("CONFLICT", other.importRecords([fresh("new"), sessionOf(records)], { onConflict: "error" }));
        for (const kind of ["thread", "item"] as const) {
          await rejects(
            "CONFLICT",
            other.importRecords([fresh("new"), present(subjectsOf(records, kind)[0], kind)]),
            kind,
          );
        }
      });
    },
  );

  clause(
    "P1 importing the same twice with skip leaves what is stored and counts what it left out",
    async ({ storage, openOther }) => {
      await fillStore(storage);
      const records = await recordsOf(storage);
      const other = await openOther();
      await other.importRecords(records);
      await other.updateSession("plain", { metadata: { changed: true } });
      await other.storeCheckpoint("free", "more", 1);
      const report = await unchanged(other, () => other.importRecords(records, { onConflict: "skip" }));
      equal([report.skipped, report.replaced, report.imported], [records.length, 0, countKinds([])]);
    },
  );

  clause("P1 skip stores the subjects that are not there yet", async ({ storage, openOther }) => {
    await fillStore(storage);
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.createSession("plain", "other user");
    const report = await other.importRecords(records, { onConflict: "skip" });
    equal((await other.getSession("plain"))?.userId, "other user");
    equal(await other.getConversationHistory("plain"), []);
    equal((await other.getConversationHistory("gaps")).length, (await storage.getConversationHistory("gaps")).length);
    ok(report.skipped >= 3, `${report.skipped} records were skipped`);
    equal((await other.getItem(["a"], "k"))?.version, 2);
  });

  clause("P1 importing the same twice with replace gives the same store", async ({ storage, openOther }) => {
    await fillStore(storage);
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.importRecords(records);
    const report = await other.importRecords(records, { onConflict: "replace" });
    equal(await recordsOf(other), records);
    equal([report.skipped, report.imported], [0, countKinds(records)]);
    ok(report.replaced > 0, "subjects were replaced");
  });

  clause("P1 replace leaves nothing of what it replaces", async ({ storage, openOther }) => {
    await storage.createSession("s", "new");
    await storage.addConversationMessage("s", "user", "new", { messageId: "new" });
    await storage.storeCheckpoint("t", "new", "new");
    await storage.putItem(["n"], "k", { new: true });
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.createSession("s", "old", { metadata: { old: true } });
    await other.addConversationMessages(
      "s",
      times(5, (i) => ({ role: "user", content: "old", messageId: `old${i}` })),
    );
    await other.storeTaskContext("s", "old");
    await other.updateSession("s", { idempotencyKey: "k", incrementRequests: 5 });
    for (let i = 0; i < 4; i++)
      await other.storeCheckpoint("t", `old${i}`, "old", { namespace: i % 2 === 0 ? "" : "n" });
    await other.putWrites("t", "new", "task", [["old", 1]]);
    for (let i = 0; i < 3; i++) await other.putItem(["n"], "k", { old: i });
    const report = await other.importRecords(records, { onConflict: "replace" });
    equal(await recordsOf(other), records);
    equal([report.replaced, report.skipped], [3, 0]);
    equal(await other.getTaskContext("s"), undefined);
    equal((await other.updateSession("s", { idempotencyKey: "k", incrementRequests: 1 })).requestCount, 1);
    equal((await other.addConversationMessage("s", "user", "x", { messageId: "old1" })).content, "x");
  });

  clause("P1 records may come from any iterable, and an empty one imports nothing", async ({ storage, openOther }) => {
    await fillStore(storage);
    const records = await recordsOf(storage);
    for (const source of [records, new Set(records), records.values(), streamOf(records)]) {
      const other = await openOther();
      await other.importRecords(source);
      equal((await recordsOf(other)).length, records.length);
    }
    const other = await openOther();
    equal(await other.importRecords([]), { imported: countKinds([]), skipped: 0, replaced: 0 });
    for (const source of [null, undefined, 5, {}])
      await refused(other.importRecords(source as unknown as StorageRecord[]), String(source));
  });

  clause("P1 importRecords refuses another word for onConflict", async ({ storage }) => {
    for (const onConflict of ["overwrite", "", null, 1]) {
      await refused(storage.importRecords([fresh("s")], { onConflict: onConflict as "skip" }), String(onConflict));
    }
    equal(await recordsOf(storage), []);
  });

  clause("P1 an export that is left early or aborted lets the store go on", async ({ storage }) => {
    await fillStore(storage);
    for await (const record of storage.exportRecords()) if (record.kind === "message") break;
    const controller = new AbortController();
    const seen: StorageRecord[] = [];
    await rejects("ABORTED", async () => {
      for await (const record of storage.exportRecords({ signal: controller.signal })) {
        seen.push(record);
        if (seen.length === 3) controller.abort();
      }
    });
    ok(seen.length < 10, `${seen.length} records came after the abort`);
    await storage.createSession("after", "u");
    ok((await recordsOf(storage)).length > 10, "a new export works");
  });

  clause("P1 an import can be aborted between its records", async ({ storage }) => {
    const controller = new AbortController();
    let given = 0;
    const endless = async function* (): AsyncGenerator<StorageRecord> {
      for (;;) {
        given += 1;
        if (given === 50) controller.abort();
        ok(given < 100_000, "the import reads on although it was aborted");
        yield fresh(`s${given}`);
      }
    };
    await rejects("ABORTED", storage.importRecords(endless(), { signal: controller.signal }));
    await storage.createSession("after", "u");
  });

  clause("P1 a source of records that fails makes the import fail, and the store goes on", async ({ storage }) => {
    const failing = async function* (): AsyncGenerator<StorageRecord> {
      yield fresh("a");
      throw new Error("the source is broken");
    };
    const { codes } = await settle([storage.importRecords(failing())]);
    equal(codes.length, 1);
    await storage.createSession("after", "u");
  });

  clause("P1 an export while others write can be imported", async ({ storage, openOther, scale }) => {
    for (let i = 0; i < 5; i++) {
      await storage.createSession(`s${i}`, "u");
      await storage.addConversationMessages(
        `s${i}`,
        times(20, () => ({ role: "user", content: "a" })),
      );
      await storage.storeCheckpoint(`t${i}`, "c", i);
    }
    const exported: StorageRecord[] = [];
    let step = 0;
    for await (const record of storage.exportRecords()) {
      exported.push(record);
      step += 1;
      if (step % 5 === 0 && step < 5 * scale.racers) {
        await storage.addConversationMessage(`s${step % 5}`, "user", "more");
        await storage.addConversationMessage(`s${(step / 5) % 5}`, "user", "more");
        await storage.storeCheckpoint(`t${(step / 5) % 5}`, `c${step}`, step);
        await storage.createSession(`new${step}`, "u");
      }
    }
    const other = await openOther();
    await other.importRecords(exported);
    for (let i = 0; i < 5; i++)
      ok((await other.getConversationHistory(`s${i}`, { limit: 1_000 })).length >= 20, `the messages of s${i}`);
    equal((await recordsOf(other)).length, exported.length);
  });
});

function countKinds(records: readonly StorageRecord[]): Record<RecordKind, number> {
  const counts: Record<RecordKind, number> = {
    session: 0,
    message: 0,
    task_context: 0,
    thread: 0,
    checkpoint: 0,
    write: 0,
    item: 0,
  };
  for (const record of records) counts[record.kind] += 1;
  return counts;
}

function sessionOf(records: readonly StorageRecord[]): StorageRecord {
  return present(
    records.find((record) => record.kind === "session"),
    "a session",
  );
}

function subjectsOf(records: readonly StorageRecord[], kind: RecordKind): StorageRecord[] {
  return records.filter((record) => record.kind === kind);
}

/** A session as a record. */
function fresh(sessionId: string): SessionRecord {
  const at = "2024-05-06T07:08:09.123Z";
  return {
    kind: "session",
    session_id: sessionId,
    user_id: "u",
    created_at: at,
    updated_at: at,
    status: "active",
    metadata: {},
    metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
    version: 1,
    last_seq: 0,
  };
}

async function* streamOf(records: readonly StorageRecord[]): AsyncGenerator<StorageRecord> {
  yield* records;
}

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
      threads.map(({ threadId }) => storage.listCheckpoints(threadId, { limit: 1_000, data: true, writes: true })),
    ),
    waiting: await storage.getWrites("linked", "later", { namespace: "inner|a:b" }),
    items: (await storage.searchItems([], { limit: 1_000 })).items,
    namespaces: (await storage.listNamespaces()).items,
  };
}
