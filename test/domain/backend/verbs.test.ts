// The verbs refuse bad arguments before any I/O, say what they hand to a driver, and decode what comes back.
import { describe, expect, it } from "vitest";
import type { Lease } from "../../../src/contract/call.js";
import { CorruptionError, InvalidArgumentError, isStorageError } from "../../../src/contract/errors.js";
import type { ItemOperation } from "../../../src/contract/item-storage.js";
import type { OperationName } from "../../../src/contract/operations.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { encodeValue } from "../../../src/domain/codec/codec.js";
import type { ImportBatch } from "../../../src/domain/driver/imports.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";

type Answers = { readonly [method: string]: (...args: never[]) => unknown };

/** A storage over a driver that writes down every call and gives these answers. */
function recording(answers: Answers = {}): { storage: StorageBackend; calls: [method: string, ...args: unknown[]][] } {
  const calls: [string, ...unknown[]][] = [];
  const driver = new Proxy(
    {},
    {
      get: (_target, method: string) => {
        if (method === "kind") return "fake";
        if (method === "mapError") return (error: unknown) => error;
        return (_call: unknown, ...args: never[]) => {
          calls.push([method, ...args]);
          const answer = answers[method]?.(...args);
          return method === "exportRecords" ? answer : Promise.resolve(answer);
        };
      },
    },
  );
  return { storage: storageBackend(driver as StorageDriver), calls };
}

/** Calls of the driver beside the opening. */
const work = (calls: readonly [string, ...unknown[]][]) => calls.filter(([method]) => method !== "open");

const lease = (subject: Lease["subject"]): Lease => ({
  subject,
  token: 3,
  owner: "me",
  acquiredAt: new Date(0),
  expiresAt: new Date(1),
});

/** A storage as a caller in plain JavaScript sees it: any verb takes anything. */
type Loose = { readonly [verb in OperationName]: (...args: unknown[]) => unknown };

describe("bad arguments", () => {
  const refusals: [operation: string, call: (storage: Loose) => unknown, message: string][] = [
    ["storeCheckpoint", (s) => s.storeCheckpoint("", "c", 1), "threadId must not be empty"],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c\0", 1), "checkpointId must not contain NUL"],
    [
      "storeCheckpoint",
      (s) => s.storeCheckpoint("t", "c", 1, { ttl: 1 }),
      'options has no field "ttl"; the known ones are namespace',
    ],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c", 1, null), "options must be an object, not null"],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c", 1, { needsParent: 1 }), "needsParent must be a boolean"],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c", 1, { metadata: { a: 1n } }), "metadata"],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c", 1, { timeoutMs: 0 }), "timeoutMs"],
    ["storeCheckpoint", (s) => s.storeCheckpoint("t", "c", 1, { signal: {} }), "signal must be an AbortSignal"],
    [
      "storeCheckpoint",
      (s) => s.storeCheckpoint("t", "c", 1, { lease: lease({ session: "s" }) }),
      'lease is for session "s", but this call writes to thread "t"',
    ],
    ["getCheckpoint", (s) => s.getCheckpoint("t", { checkpointId: "" }), "checkpointId must not be empty"],
    ["getCheckpoint", (s) => s.getCheckpoint("t", { namespace: 1 }), "namespace must be a string"],
    ["listCheckpoints", (s) => s.listCheckpoints("t", { limit: 10_001 }), "limit must be at most 10000"],
    ["listCheckpoints", (s) => s.listCheckpoints("t", { metadata: { a: {} } }), 'metadata."a" must be a string'],
    [
      "putWrites",
      (s) =>
        s.putWrites("t", "c", "k", [
          ["a", 1],
          ["b", 2, 0],
        ]),
      "index 0, which stands twice",
    ],
    ["putWrites", (s) => s.putWrites("t", "c", "", []), "taskId must not be empty"],
    ["putWrites", (s) => s.putWrites("t", "c", "k", [], { overwrite: "yes" }), "overwrite must be a boolean"],
    ["getWrites", (s) => s.getWrites("t", "c", { taskId: "k" }), 'no field "taskId"'],
    ["listThreads", (s) => s.listThreads({ limit: 0 }), "limit must be at least 1"],
    ["listThreads", (s) => s.listThreads({ cursor: "x" }), "cursor is not one that a listing returned"],
    ["listThreads", (s) => s.listThreads({ user: "x" }), 'query has no field "user"'],
    ["copyThread", (s) => s.copyThread("t", undefined), "toThreadId must be a string, not undefined"],
    ["deleteThread", (s) => s.deleteThread("t", { force: true }), 'no field "force"'],
    ["deleteCheckpoints", (s) => s.deleteCheckpoints("t", "c"), "checkpointIds must be an array"],
    ["deleteCheckpoints", (s) => s.deleteCheckpoints("t", ["c", ""]), "checkpointIds[1] must not be empty"],
    [
      "deleteCheckpoints",
      (s) => s.deleteCheckpoints("t", Array(1_001).fill("c")),
      "checkpointIds must be at most 1000, not 1001",
    ],
    ["pruneCheckpoints", (s) => s.pruneCheckpoints({}), "policy must have keepLast or maxAgeMs"],
    ["pruneCheckpoints", (s) => s.pruneCheckpoints({ keepLast: 1, dryRun: true }), 'policy has no field "dryRun"'],
    ["pruneCheckpoints", (s) => s.pruneCheckpoints({ keepLast: 1 }, { dryRun: 1 }), "dryRun must be a boolean"],
    [
      "storeTaskContext",
      (s) => s.storeTaskContext("s", 1, { expectedVersion: -1 }),
      "expectedVersion must be at least 0",
    ],
    ["getTaskContext", (s) => s.getTaskContext("s", { version: 0 }), "version must be at least 1"],
    ["listTaskContextVersions", (s) => s.listTaskContextVersions("s", { limit: 1.5 }), "limit must be an integer"],
    ["shareTaskContext", (s) => s.shareTaskContext("s", "s"), "withSessionId must be another session"],
    ["putItem", (s) => s.putItem([], "k", {}), "namespace must have at least one label"],
    ["putItem", (s) => s.putItem(["a"], "", {}), "key must not be empty"],
    ["putItem", (s) => s.putItem(["a"], "k", [1]), "value: must be a plain object"],
    ["putItem", (s) => s.putItem(["a"], "k", {}, { ttlMs: 0 }), "ttlMs must be at least 1"],
    ["putItem", (s) => s.putItem(["a"], "k", {}, { ifAbsent: true, expectedVersion: 2 }), "ifAbsent contradicts"],
    ["getItem", (s) => s.getItem("a", "k"), "namespace must be an array"],
    ["deleteItem", (s) => s.deleteItem(["a"], "k", { expectedVersion: "1" }), "expectedVersion must be an integer"],
    [
      "batchItems",
      (s) => s.batchItems([{ get: { namespace: ["a"], key: "k" } }, { put: { namespace: ["a"], key: "k" } }]),
      "operations[1].put.value: must be a plain object",
    ],
    [
      "batchItems",
      (s) => s.batchItems([{ get: { namespace: ["a"], key: "k" }, delete: {} }]),
      "operations[0] must be exactly one of",
    ],
    ["batchItems", (s) => s.batchItems([{}]), "operations[0] must be exactly one of"],
    ["batchItems", (s) => s.batchItems([{ drop: {} }]), 'operations[0] has no field "drop"'],
    [
      "batchItems",
      (s) => s.batchItems([{ search: { prefix: [], filter: { a: { $like: 1 } } } }]),
      'operations[0].search.filter."a" has no operator "$like"',
    ],
    ["searchItems", (s) => s.searchItems(["a"], { filter: { a: { $gt: null } } }), 'filter."a".$gt must be'],
    ["searchItems", (s) => s.searchItems(["a"], { skip: 5 }), 'query has no field "skip"'],
    ["searchItems", (s) => s.searchItems(["a"], { offset: -1 }), "offset must be at least 0"],
    ["searchItems", (s) => s.searchItems(["a"], { similarTo: {} }), "similarTo.vector must be an array"],
    [
      "searchItems",
      (s) => s.searchItems(["a"], { similarTo: { vector: [1] }, orderBy: "key" }),
      "orderBy contradicts similarTo",
    ],
    ["countItems", (s) => s.countItems("a"), "namespacePrefix must be an array"],
    ["updateItem", (s) => s.updateItem(["a"], "k"), "change must be an object"],
    ["updateItem", (s) => s.updateItem(["a"], "k", { increment: { a: "1" } }), 'increment."a" must be a number'],
    ["putItem", (s) => s.putItem(["a"], "k", {}, { vectors: [[1, "2"]] }), "vectors[0][1] must be a number"],
    [
      "putItem",
      (s) => s.putItem(["a"], "k", {}, { vectors: [[1e39]] }),
      "vectors[0][0] must be a finite number that a 32-bit float can hold",
    ],
    ["listNamespaces", (s) => s.listNamespaces({ maxDepth: 0 }), "maxDepth must be at least 1"],
    ["deleteItems", (s) => s.deleteItems([]), "namespacePrefix must have at least one label"],
    ["acquireLease", (s) => s.acquireLease({ session: "s" }), "owner must be a string, not undefined"],
    [
      "acquireLease",
      (s) => s.acquireLease({ session: "s", thread: "t" }, { owner: "o", ttlMs: 1 }),
      "either a session or a thread",
    ],
    [
      "acquireLease",
      (s) => s.acquireLease({ session: "s" }, { owner: "o", ttlMs: 2_592_000_001 }),
      "ttlMs must be at most 2592000000",
    ],
    ["renewLease", (s) => s.renewLease({ token: 1 }), "lease.subject must be an object"],
    ["releaseLease", (s) => s.releaseLease(undefined), "lease must be an object, not undefined"],
    ["exportRecords", async (s) => s.exportRecords({ kinds: ["lease"] }), "filter.kinds must be one of session"],
    [
      "exportRecords",
      async (s) => s.exportRecords({ sessionId: "s", threadId: "t" }),
      "at most one of sessionId and threadId",
    ],
    ["importRecords", (s) => s.importRecords("records"), "records must be an iterable"],
    [
      "importRecords",
      (s) => s.importRecords([], { onConflict: "merge" }),
      "onConflict must be one of error, skip, replace",
    ],
    ["importRecords", (s) => s.importRecords([], { timeoutMs: 5 }), 'no field "timeoutMs"'],
  ];

  it.each(refusals)("of %s are refused before any I/O: %s %s", async (operation, call, message) => {
    const { storage, calls } = recording();
    const error: unknown = await Promise.resolve()
      .then(() => call(storage as unknown as Loose))
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain(message);
    expect(error).toMatchObject({ backend: "fake", operation });
    expect(calls).toEqual([]);
  });
});

describe("checkpoint verbs", () => {
  it("give an empty list for limit 0, and put no writes, without a call", async () => {
    const { storage, calls } = recording();
    expect(await storage.listCheckpoints("t", { limit: 0 })).toEqual([]);
    expect(await storage.listTaskContextVersions("s", { limit: 0 })).toEqual([]);
    expect(await storage.putWrites("t", "c", "k", [])).toBeUndefined();
    expect(await storage.batchItems([])).toEqual([]);
    expect(work(calls)).toEqual([]);
  });

  it("take the lease of the thread, or of the session that the checkpoint is for", async () => {
    const stored = {
      namespace: "",
      checkpointId: "c",
      parentId: null,
      sessionId: null,
      metadata: "{}",
      seq: 1,
      createdAt: 0,
      needsParent: false,
      sizeBytes: 1,
      data: null,
      writes: null,
    };
    const { storage, calls } = recording({ storeCheckpoint: () => stored });
    const thread = lease({ thread: "t" });
    await storage.storeCheckpoint("t", "c", 1, { lease: thread });
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s", lease: lease({ session: "s" }) });
    expect(work(calls).map((call) => call.at(-1))).toEqual([
      { kind: "thread", id: "t", token: 3 },
      { kind: "session", id: "s", token: 3 },
    ]);
    const other = storage.storeCheckpoint("t", "c", 1, { sessionId: "s", lease: lease({ session: "other" }) });
    await expect(other).rejects.toThrow('writes to thread "t" or session "s"');
  });

  it("report a state that is missing as corruption, with the operation", async () => {
    const { storage } = recording({
      getCheckpoint: () => ({ checkpointId: "c", metadata: "{}", data: null, createdAt: 0, writes: null }),
    });
    const failed = storage.getCheckpoint("t");
    await expect(failed).rejects.toThrow(CorruptionError);
    await expect(failed).rejects.toMatchObject({ operation: "getCheckpoint", backend: "fake" });
  });

  it("page threads by time and id", async () => {
    const row = { threadId: "t1", sessionId: null, checkpointCount: 1, createdAt: 1, updatedAt: 2 };
    const { storage, calls } = recording({ listThreads: () => ({ rows: [row], more: true }) });
    const { nextCursor } = await storage.listThreads({ limit: 1 });
    await storage.listThreads({ limit: 5, cursor: nextCursor });
    expect(work(calls).at(-1)).toEqual([
      "listThreads",
      { sessionId: null, orderBy: "updatedAt", direction: "desc", limit: 5, after: { time: 2, id: "t1" } },
    ]);
    await expect(storage.listThreads({ orderBy: "createdAt", cursor: nextCursor })).rejects.toThrow("another query");
  });
});

describe("item verbs", () => {
  const stored = {
    namespace: ["a"],
    key: "k",
    value: '{"v":1}',
    version: 1,
    createdAt: 1,
    updatedAt: 2,
    ttlMs: null,
    expiresAt: null,
  };

  it("run a batch in one call and answer each operation in its own way", async () => {
    const results = [
      { kind: "put", item: stored },
      { kind: "get", item: undefined },
      { kind: "delete", deleted: true },
      { kind: "search", rows: { rows: [stored], more: true } },
      { kind: "namespaces", rows: { rows: [["a"]], more: false } },
    ];
    const { storage, calls } = recording({ runItemSteps: () => results });
    const place = { namespace: ["a"], key: "k" };
    const operations: ItemOperation[] = [
      { put: { ...place, value: { v: 1 }, ifAbsent: true, ttlMs: 5 } },
      { get: { ...place, refreshTtl: true } },
      { delete: place },
      { search: { prefix: ["a"], orderBy: "key" } },
      { listNamespaces: { maxDepth: 1 } },
    ];
    const [put, got, deleted, found, namespaces] = await storage.batchItems(operations);
    expect(put).toMatchObject({ key: "k", value: { v: 1 } });
    expect([got, deleted, namespaces]).toEqual([undefined, true, { items: [["a"]] }]);
    expect(work(calls)).toHaveLength(1);
    expect(work(calls)[0]?.[1]).toMatchObject([
      { kind: "put", ...place, value: '{"v":1}', ttlMs: 5, expectedVersion: 0 },
      { kind: "get", ...place, refreshTtl: true },
      { kind: "delete", ...place, expectedVersion: null },
      {
        kind: "search",
        listing: { prefix: ["a"], filter: null, orderBy: "key", direction: "asc", limit: 10, after: null },
      },
      { kind: "namespaces", listing: { prefix: [], suffix: [], maxDepth: 1, limit: 100, after: null } },
    ]);
    // A page of a batch goes on in the verb of its own.
    const { nextCursor } = found as { nextCursor: string };
    const again = recording({ searchItems: () => ({ rows: [], more: false }) });
    await again.storage.searchItems(["a"], { orderBy: "key", cursor: nextCursor });
    expect(work(again.calls)[0]?.[1]).toMatchObject({ after: { time: 0, namespace: ["a"], key: "k" } });
  });

  it("report a driver that answers something else", async () => {
    const { storage } = recording({ runItemSteps: () => [] });
    await expect(storage.getItem(["a"], "k")).rejects.toThrow(CorruptionError);
  });
});

describe("lease verbs", () => {
  it("refuse what another owner holds, and say that it may be tried again", async () => {
    const held = { token: 1, owner: "ben", ttlMs: 1, acquiredAt: 0, expiresAt: 0 };
    const { storage } = recording({ acquireLease: () => ({ held }) });
    const error: unknown = await storage.acquireLease({ thread: "t" }, { owner: "ann", ttlMs: 1 }).catch((e) => e);
    expect(isStorageError(error) && [error.code, error.retryable, error.operation]).toEqual([
      "CONFLICT",
      true,
      "acquireLease",
    ]);
  });
});

describe("record verbs (P1)", () => {
  const session: StorageRecord = {
    kind: "session",
    session_id: "s",
    user_id: "u",
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
    status: "active",
    metadata: {},
    metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
    version: 1,
    last_seq: 1_000,
  };
  const message = (seq: number): StorageRecord => ({
    kind: "message",
    session_id: "s",
    seq,
    message_id: `m${seq}`,
    role: "user",
    content: JSON.parse(encodeValue("hi")),
    timestamp: "2026-01-01T00:00:00.000Z",
    metadata: {},
  });
  const records = [session, ...Array.from({ length: 600 }, (_, i) => message(i + 1))];

  it("carry the verdict of a subject on into the next batch, and add up the report", async () => {
    for (const [verdict, report] of [
      ["imported", { imported: 601, skipped: 0, replaced: 0 }],
      ["replaced", { imported: 601, skipped: 0, replaced: 1 }],
      ["skipped", { imported: 0, skipped: 601, replaced: 0 }],
    ] as const) {
      const { storage, calls } = recording({ importBatch: () => [verdict] });
      const { imported, ...rest } = await storage.importRecords(records, { onConflict: "skip" });
      expect({ imported: imported.session + imported.message, ...rest }).toEqual(report);
      expect(work(calls).map(([, batch]) => (batch as ImportBatch).groups.map((group) => group.continued))).toEqual([
        [null],
        [verdict],
      ]);
    }
  });

  it("open the store before the first record is read, and end the source when a batch fails", async () => {
    let state = "untouched";
    const source = function* () {
      state = "reading";
      try {
        yield* records;
      } finally {
        state = "ended";
      }
    };
    const failure = new CorruptionError("broken");
    const failing = recording({
      importBatch: () => {
        throw failure;
      },
    });
    await expect(failing.storage.importRecords(source())).rejects.toBe(failure);
    expect(state).toBe("ended");
    state = "untouched";
    await failing.storage.close();
    await expect(failing.storage.importRecords(source())).rejects.toMatchObject({ code: "CLOSED" });
    expect(state).toBe("untouched");
  });

  it("export what the driver gives, and stop it when the reader does", async () => {
    let ended = false;
    const { storage, calls } = recording({
      exportRecords: async function* () {
        try {
          yield* records;
        } finally {
          ended = true;
        }
      },
    });
    for await (const record of storage.exportRecords({ kinds: ["session", "session"] })) {
      expect(record).toBe(session);
      break;
    }
    expect(ended).toBe(true);
    expect(work(calls)[0]?.[1]).toMatchObject({ kinds: ["session"], sessionId: undefined });
    await storage.close();
    expect(calls.at(-1)?.[0]).toBe("close");
  });

  it("export until the caller gives up", async () => {
    const controller = new AbortController();
    const { storage } = recording({
      exportRecords: async function* () {
        yield* records;
      },
    });
    let read = 0;
    const reading = (async () => {
      for await (const _record of storage.exportRecords({ signal: controller.signal })) {
        read += 1;
        if (read === 2) controller.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "ABORTED", operation: "exportRecords" });
    expect(read).toBe(2);
  });
});
