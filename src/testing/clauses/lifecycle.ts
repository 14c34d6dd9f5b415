/** Opening, closing, health and metrics (F3-F7). */
import { existsSync, readdirSync } from "node:fs";
import type { Count, StorageBackend, StorageMetrics } from "../../contract/storage-backend.js";
import { equal, ok, recordsOf, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { settlesWithin } from "../in-time.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../operation-calls.js";

/** Time for the end of a store that waits for nothing, on a busy machine: less than a deadline that nobody sets. */
const CLOSED_WITHIN_MS = 6_000;

export const lifecycleClauses: ClauseGroup = clauseGroup("lifecycle", (clause) => {
  clause("F3 the first operation opens the store if nobody did", async ({ storage }) => {
    equal((await storage.createSession("s", "u")).sessionId, "s");
  });

  clause("F3 initialize is idempotent, and safe to call many times at once", async ({ storage, scale }) => {
    await Promise.all(times(scale.racers, () => storage.initialize()));
    await storage.createSession("s", "u");
    await storage.initialize();
    await unchanged(storage, () => storage.initialize());
    ok((await storage.getSession("s")) !== undefined, "the session is there");
  });

  clause("F3 many first operations at once open the store once", async ({ storage, scale }) => {
    const results = await settle(times(scale.racers, (i) => storage.createSession(`s${i}`, "u")));
    equal(results.codes, []);
    equal((await storage.listSessions({ limit: 1_000 })).items.length, scale.racers);
  });

  clause("F3 many handles may open one new store at once", { needs: ["secondHandle"] }, async ({ storage, open }) => {
    const handles = [storage, ...(await Promise.all(times(4, () => open())))];
    await Promise.all(
      handles.map((handle, i) => (i % 2 === 0 ? handle.initialize() : handle.createSession(`s${i}`, "u"))),
    );
    for (const handle of handles) equal((await handle.listSessions()).items.length, 2);
  });

  clause("F4 close is idempotent, alone and many times at once", async ({ storage }) => {
    await storage.createSession("s", "u");
    await Promise.all(times(5, () => storage.close()));
    await storage.close();
  });

  clause("F4 a store that was never used can be closed", async ({ storage }) => {
    await storage.close();
    await rejects("CLOSED", storage.initialize());
  });

  for (const [operation, call] of OPERATION_CALL_ENTRIES) {
    if (operation === "healthCheck") continue;
    clause(`F4 ${operation} on a closed store rejects with ClosedError`, async ({ storage }) => {
      const prepared = await prepareStore(storage);
      const view = storage.tenant("other");
      await storage.close();
      const error = await rejects("CLOSED", () => call(storage, prepared), operation);
      equal([error.operation, error.backend, error.retryable], [operation, storage.kind, false]);
      await rejects("CLOSED", () => call(view, prepared), `${operation} of a tenant's view`);
    });
  }

  clause("F4 close refuses new work at once and lets what is under way finish", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const running = settle(times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`)));
    const closing = storage.close();
    const late = settle([storage.addConversationMessage("s", "user", "late")]);
    const { values, codes } = await running;
    equal([values.length, codes, (await late).codes], [scale.racers, [], ["CLOSED"]]);
    await closing;
  });

  clause("F4 what close let finish is stored", { needs: ["reopen"] }, async ({ storage, open, scale }) => {
    await storage.createSession("s", "u");
    const running = times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`));
    await Promise.all([storage.close(), ...running]);
    const again = await open();
    equal((await again.getConversationHistory("s", { limit: 1_000 })).length, scale.racers);
  });

  clause("F4 close does not wait for ever for an export that nobody reads on", async ({ openOther }) => {
    const storage = await openOther({ timeoutMs: 200 });
    for (let i = 0; i < 3; i++) await storage.createSession(`s${i}`, "u", { timeoutMs: 10_000 });
    const records = storage.exportRecords()[Symbol.asyncIterator]();
    equal((await records.next()).done, false);
    ok(await settlesWithin(200 + CLOSED_WITHIN_MS, [storage.close()]), "close settles");
    await settle([records.next()]);
  });

  clause("F4 leaving an export early leaves nothing behind that close waits for", async ({ storage }) => {
    for (let i = 0; i < 3; i++) await storage.createSession(`s${i}`, "u");
    for await (const record of storage.exportRecords()) {
      equal(record.kind, "session");
      break;
    }
    ok(await settlesWithin(CLOSED_WITHIN_MS, [storage.close()]), "close settles");
  });

  clause(
    "F4 a closed store leaves no timer, socket or file behind",
    { alone: true },
    async ({ openOther, support }) => {
      const before = resources();
      const storage = await openOther();
      await storage.initialize();
      await fillStore(storage, support);
      await settle([
        storage.getSession("s", { timeoutMs: 5 }),
        storage.getSession("s", { signal: AbortSignal.abort() }),
      ]);
      await storage.close();
      // What is closing may take a moment, and what others hold comes and goes.
      const deadline = performance.now() + 10_000;
      let left = newIn(resources(), before);
      while (left.length > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        left = newIn(resources(), before);
      }
      equal(left, [], "what keeps the process busy after close and did not before");
    },
  );

  clause("F4 Symbol.asyncDispose closes the store", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage[Symbol.asyncDispose]();
    await rejects("CLOSED", storage.getSession("s"));
    await storage[Symbol.asyncDispose]();
  });

  clause(
    "F4 a handle that was closed leaves another one on the store working",
    { needs: ["secondHandle"] },
    async ({ storage, open }) => {
      const other = await open();
      await storage.createSession("s", "u");
      await storage.close();
      equal((await other.getSession("s"))?.sessionId, "s");
      await other.addConversationMessage("s", "user", "a");
    },
  );

  clause(
    "F5 everything is there when the store is closed and opened again",
    { needs: ["reopen"] },
    async ({ storage, open, support }) => {
      await fillStore(storage, support);
      const update = { idempotencyKey: "remembered", incrementRequests: 3 };
      const first = await storage.updateSession("plain", update);
      const lease = await storage.acquireLease({ session: "plain" }, { owner: "me", ttlMs: 1_000_000 });
      const old = await storage.acquireLease({ thread: "linked" }, { owner: "me", ttlMs: 1_000_000 });
      const current = await storage.acquireLease({ thread: "linked" }, { owner: "me", ttlMs: 1_000_000 });
      const before = await recordsOf(storage);
      await storage.close();

      const again = await open();
      equal(await recordsOf(again), before);
      equal(await again.updateSession("plain", update), first, "a repeated idempotency key");
      equal((await again.addConversationMessage("plain", "user", "x", { messageId: "m1" })).content, "one");
      await again.updateSession("plain", { markError: true }, { lease });
      await rejects("CONFLICT", again.acquireLease({ session: "plain" }, { owner: "you", ttlMs: 1_000 }));
      await rejects("FENCED", again.putWrites("linked", "c1", "x", [["a", 1]], { lease: old }));
      await again.putWrites("linked", "c1", "x", [["a", 1]], { lease: current });
      ok(
        (await again.acquireLease({ thread: "new" }, { owner: "me", ttlMs: 1_000 })).token > current.token,
        "tokens go on growing",
      );
    },
  );

  clause(
    "F5 sequences go on where they were when the store is opened again",
    { needs: ["reopen"] },
    async ({ storage, open }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessages(
        "s",
        times(3, (i) => ({ role: "user", content: `${i}` })),
      );
      await storage.deleteConversationMessages("s", { after: 1 });
      const stored = await storage.storeCheckpoint("t", "c1", 1);
      await storage.storeTaskContext("s", 1);
      await storage.close();
      const again = await open();
      equal((await again.addConversationMessage("s", "user", "next")).seq, 4);
      ok((await again.storeCheckpoint("t", "c2", 2)).seq > stored.seq, "the seq of the next checkpoint is larger");
      equal((await again.getCheckpoint("t"))?.data, 2);
      equal((await again.storeTaskContext("s", 2)).version, 2);
      equal((await again.updateSession("s", { expectedVersion: 1 })).version, 2);
    },
  );

  clause(
    "F5 healthCheck reports the durability level in force",
    { needs: ["durability"] },
    async ({ storage, support }) => {
      equal((await storage.healthCheck()).durability, support.durability);
    },
  );

  clause(
    "F6 every operation is carried out, or rejects with UnsupportedError before anything is written",
    async ({ openOther }) => {
      for (const [operation, call] of OPERATION_CALL_ENTRIES) {
        const storage = await openOther();
        const prepared = await prepareStore(storage);
        const before = await recordsOf(storage);
        const { codes } = await settle([call(storage, prepared)]);
        if (codes.length > 0) equal([operation, codes, await recordsOf(storage)], [operation, ["UNSUPPORTED"], before]);
        await storage.close();
      }
    },
  );

  clause("F7 healthCheck of a store that works is healthy, and says which store it looked at", async ({ storage }) => {
    const report = await storage.healthCheck();
    equal(["healthy", "degraded"].includes(report.status), true, `the status is ${report.status}`);
    equal([report.backend, report.tenant], [storage.kind, storage.tenantName]);
    ok(report.checkedAt instanceof Date && !Number.isNaN(report.checkedAt.getTime()), "checkedAt is a Date");
    ok(report.latencyMs >= 0 && Number.isFinite(report.latencyMs), `latencyMs is ${report.latencyMs}`);
    ok(
      ["memory", "process", "crash", "replicated", "unknown"].includes(report.durability),
      `durability is ${report.durability}`,
    );
    for (const check of report.checks) {
      ok(check.name.length > 0 && check.message.length > 0, "a check has a name and a message");
      ok(["ok", "warning", "error"].includes(check.status), `the status of ${check.name} is ${check.status}`);
    }
    equal((await storage.tenant("other").healthCheck()).tenant, "other");
  });

  clause("F7 healthCheck changes nothing", async ({ storage }) => {
    await prepareStore(storage);
    await unchanged(storage, () => storage.healthCheck());
  });

  clause(
    "F7 healthCheck never throws: it tells a closed store, an aborted signal and a short deadline as unhealthy",
    async ({ storage }) => {
      equal((await storage.healthCheck({ signal: AbortSignal.abort() })).status, "unhealthy");
      const hurried = await storage.healthCheck({ timeoutMs: 0.001 });
      ok(hurried.status.length > 0, "a report");
      await storage.close();
      const report = await storage.healthCheck();
      equal([report.status, report.backend], ["unhealthy", storage.kind]);
      ok(
        report.checks.some((check) => check.status === "error"),
        "a check says why",
      );
    },
  );

  clause("F7 getMetrics counts what the tenant has, and says which counts are exact", async ({ storage }) => {
    const empty = await storage.getMetrics();
    equal([empty.backend, empty.tenant, empty.collectedAt instanceof Date], [storage.kind, storage.tenantName, true]);
    await storage.createSession("a", "u");
    await storage.createSession("b", "u");
    await storage.updateSession("a", { incrementRequests: 5, markError: true });
    await storage.updateSession("b", { incrementRequests: 2 });
    await storage.endSession("b");
    await storage.addConversationMessages(
      "a",
      times(3, () => ({ role: "user", content: "a" })),
    );
    await storage.storeCheckpoint("t", "c1", 1);
    await storage.storeCheckpoint("t", "c2", 1, { namespace: "n" });
    await storage.storeCheckpoint("t2", "c", 1);
    await storage.putItem(["n"], "k", {});
    const other = storage.tenant("other");
    await other.createSession("c", "u");
    await other.putItem(["n"], "k", {});
    await counts(storage, {
      sessions: 2,
      activeSessions: 1,
      messages: 3,
      threads: 2,
      checkpoints: 3,
      items: 1,
      requests: 7,
      errors: 1,
    });
    await counts(other, {
      sessions: 1,
      activeSessions: 1,
      messages: 0,
      threads: 0,
      checkpoints: 0,
      items: 1,
      requests: 0,
      errors: 0,
    });
    await storage.deleteSession("a");
    await storage.deleteThread("t");
    await storage.deleteItems(["n"]);
    await counts(storage, {
      sessions: 1,
      activeSessions: 0,
      messages: 0,
      threads: 1,
      checkpoints: 1,
      items: 0,
      requests: 2,
      errors: 0,
    });
  });

  clause(
    "F7 counts stay right through replacing, pruning, copying, deleting and importing",
    async ({ storage, openOther }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessages(
        "s",
        times(5, () => ({ role: "user", content: "a" })),
      );
      await storage.deleteConversationMessages("s", { before: 3 });
      for (let i = 0; i < 4; i++) await storage.storeCheckpoint("t", `c${i}`, i);
      await storage.storeCheckpoint("t", "c0", "again");
      await storage.copyThread("t", "copy");
      await storage.pruneCheckpoints({ keepLast: 2, threadId: "t" });
      await storage.putItem(["n"], "k", {});
      await storage.putItem(["n"], "k", { again: true });
      const expected = { sessions: 1, activeSessions: 1, messages: 3, threads: 2, checkpoints: 6, items: 1 };
      await counts(storage, expected);
      const other = await openOther();
      await other.importRecords(storage.exportRecords());
      await counts(other, expected);
      await other.importRecords(storage.exportRecords(), { onConflict: "replace" });
      await counts(other, expected);
    },
  );
});

/** What keeps the process alive, and how many files it has open where that can be told. */
function resources(): string[] {
  const files = existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").map(() => "open file") : [];
  return [...process.getActiveResourcesInfo(), ...files].sort();
}

/** What is there more often than before. */
function newIn(now: readonly string[], before: readonly string[]): string[] {
  const known = [...before];
  return now.filter((each) => {
    const at = known.indexOf(each);
    if (at !== -1) known.splice(at, 1);
    return at === -1;
  });
}

type Counted = Exclude<keyof StorageMetrics, "backend" | "tenant" | "collectedAt" | "sizeBytes">;

async function counts(storage: StorageBackend, expected: { readonly [Name in Counted]?: number }): Promise<void> {
  const metrics = await storage.getMetrics();
  for (const [name, value] of Object.entries(expected)) {
    const count: Count = metrics[name as Counted];
    equal([typeof count.value, typeof count.exact], ["number", "boolean"], name);
    if (count.exact) equal(count.value, value, `the count of ${name}`);
  }
  if (metrics.sizeBytes !== undefined) ok(metrics.sizeBytes.value >= 0, "sizeBytes is not negative");
}
