/** Errors, deadlines and signals (F1, F2). */
import { getEventListeners } from "node:events";
import {
  AbortedError,
  ClosedError,
  ConflictError,
  FencedError,
  InvalidArgumentError,
  isStorageError,
  SerializationError,
  SessionExistsError,
  SessionNotFoundError,
  StorageError,
} from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { settlesWithin } from "../in-time.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../operation-calls.js";

/** Stands for what must never leave the store in a message. */
const SECRET = "the-content-of-a-user";

/** Slack for a busy machine beyond the deadline plus 250 ms of F2. */
const SLACK_MS = 2_000;

interface Failure {
  readonly name: string;
  readonly type: new (...args: never[]) => StorageError;
  readonly operation: string;
  readonly call: (storage: StorageBackend) => Promise<unknown>;
}

/** Each class that callers meet, made by calls that carry content. */
const FAILURES: readonly Failure[] = [
  {
    name: "SessionNotFoundError",
    type: SessionNotFoundError,
    operation: "addConversationMessage",
    call: (storage) => storage.addConversationMessage("absent", "user", SECRET, { metadata: { a: SECRET } }),
  },
  {
    name: "SessionExistsError",
    type: SessionExistsError,
    operation: "createSession",
    call: (storage) => storage.createSession("s", "u", { metadata: { a: SECRET } }),
  },
  {
    name: "ConflictError",
    type: ConflictError,
    operation: "updateSession",
    call: (storage) => storage.updateSession("s", { expectedVersion: 99, metadata: { a: SECRET } }),
  },
  {
    name: "ConflictError",
    type: ConflictError,
    operation: "storeCheckpoint",
    call: (storage) => storage.storeCheckpoint("t", "c2", SECRET, { expectedHead: "other", metadata: { a: SECRET } }),
  },
  {
    name: "ConflictError",
    type: ConflictError,
    operation: "storeTaskContext",
    call: (storage) => storage.storeTaskContext("s", SECRET, { expectedVersion: 99 }),
  },
  {
    name: "ConflictError",
    type: ConflictError,
    operation: "putItem",
    call: (storage) => storage.putItem(["n"], "k", { a: SECRET }, { ifAbsent: true }),
  },
  {
    name: "FencedError",
    type: FencedError,
    operation: "putWrites",
    call: async (storage) => {
      const lease = await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 60_000 });
      await storage.releaseLease(lease);
      return storage.putWrites("t", "c", "task", [["channel", SECRET]], { lease });
    },
  },
  {
    name: "InvalidArgumentError",
    type: InvalidArgumentError,
    operation: "createSession",
    call: (storage) => storage.createSession("new", "u", { metadata: { a: SECRET, b: Number.NaN } }),
  },
  {
    name: "InvalidArgumentError",
    type: InvalidArgumentError,
    operation: "addConversationMessages",
    call: (storage) =>
      storage.addConversationMessages("s", [{ role: "user", content: { text: SECRET } as unknown as string }]),
  },
  {
    name: "InvalidArgumentError",
    type: InvalidArgumentError,
    operation: "searchItems",
    call: (storage) => storage.searchItems(["n"], { filter: { a: { $like: SECRET } as object } }),
  },
  {
    name: "SerializationError",
    type: SerializationError,
    operation: "storeCheckpoint",
    call: (storage) => storage.storeCheckpoint("t", "c2", { a: SECRET, f: () => SECRET }),
  },
  {
    name: "SerializationError",
    type: SerializationError,
    operation: "storeTaskContext",
    call: (storage) => storage.storeTaskContext("s", [SECRET, Symbol(SECRET)]),
  },
  {
    name: "AbortedError",
    type: AbortedError,
    operation: "addConversationMessage",
    call: (storage) => storage.addConversationMessage("s", "user", SECRET, { signal: AbortSignal.abort() }),
  },
  {
    name: "ClosedError",
    type: ClosedError,
    operation: "putItem",
    call: async (storage) => {
      const view = storage.tenant("closing");
      await view.close();
      return view.putItem(["n"], "k", { a: SECRET });
    },
  },
];

export const failureClauses: ClauseGroup = clauseGroup("failures", (clause) => {
  for (const { name, type, operation, call } of FAILURES) {
    clause(
      `F1 the ${name} of ${operation} says its code, outcome, backend and operation, and holds no content`,
      async ({ storage }) => {
        await prepareStore(storage);
        const [failure] = await Promise.allSettled([call(storage)]);
        ok(failure.status === "rejected", `${operation} rejects`);
        const error: unknown = failure.reason;
        ok(error instanceof type && error instanceof StorageError && isStorageError(error), `it is a ${name}`);
        equal(
          [error.name, error.outcome, error.backend, error.operation],
          [name, "not-applied", storage.kind, operation],
        );
        equal([typeof error.code, typeof error.retryable], ["string", "boolean"]);
        ok(error.message.length > 0, "it has a message");
        ok(!error.message.includes(SECRET), `the message holds content: ${error.message}`);
        ok(!JSON.stringify(error).includes(SECRET), "the fields of the error hold content");
      },
    );
  }

  clause("F1 an identifier in a message forges no line and is cut", async ({ storage }) => {
    const error = await rejects(
      "SESSION_NOT_FOUND",
      storage.updateSession(`a\nFAKE LINE\u001b[31m ${"x".repeat(300)}`, {}),
    );
    ok(!/\p{Cc}/u.test(error.message), "the message is one plain line");
    ok(error.message.length < 250, `the message has ${error.message.length} letters`);
  });

  for (const [operation, call] of OPERATION_CALL_ENTRIES) {
    if (operation === "healthCheck") continue;
    clause(
      `F2 ${operation} with a signal that was aborted before rejects with AbortedError, and nothing is done`,
      async ({ storage }) => {
        const prepared = await prepareStore(storage);
        const reason = new Error("the caller's own reason");
        const error = await unchanged(storage, () =>
          rejects("ABORTED", () => call(storage, prepared, { signal: AbortSignal.abort(reason) }), operation),
        );
        equal([error.operation, error.backend, error.cause], [operation, storage.kind, reason]);
        // What the records do not show: the thread's lease is free, the session's is still held.
        await storage.acquireLease({ thread: "t" }, { owner: "another", ttlMs: 1_000 });
        await storage.updateSession("s", { markError: true }, { lease: prepared.lease });
        equal((await storage.renewLease(prepared.lease)).token, prepared.lease.token);
      },
    );

    clause(`F2 ${operation} refuses an unknown option, and nothing is done`, async ({ storage }) => {
      const prepared = await prepareStore(storage);
      await unchanged(storage, async () => {
        const error = await refused(() => call(storage, prepared, { unknownOption: 1 }), operation);
        equal([error.operation, error.backend], [operation, storage.kind]);
        await refused(() => call(storage, prepared, { timeout: 1_000 }), operation);
        await refused(() => call(storage, prepared, { signal: {} }), `${operation} with a signal that is none`);
      });
    });
  }

  for (const [operation, call] of OPERATION_CALL_ENTRIES) {
    if (operation === "healthCheck" || operation === "exportRecords" || operation === "importRecords") continue;
    clause(
      `F2 ${operation} settles soon after a deadline that is too short, and refuses one that is none`,
      async ({ storage, support }) => {
        const prepared = await prepareStore(storage);
        const mayRefuse = operation === "shareTaskContext" && support.sharedContexts === false;
        await unchanged(storage, async () => {
          for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "10", null]) {
            await refused(() => call(storage, prepared, { timeoutMs }), `timeoutMs ${String(timeoutMs)}`);
          }
        });
        const calls = [call(storage, prepared, { timeoutMs: 0.001 })];
        ok(await settlesWithin(250 + SLACK_MS, calls), `it settles within ${250 + SLACK_MS} ms`);
        const { codes } = await settle(calls);
        for (const code of codes)
          ok(code === "TIMEOUT" || (mayRefuse && code === "UNSUPPORTED"), `the code is ${code}`);
      },
    );
  }

  clause(
    "F2 what was given up at its deadline as not applied is not there, and what was acknowledged is",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const calls = times(scale.racers * 4, (i) =>
        storage.addConversationMessage("s", "user", `${i}`, { messageId: `m${i}`, timeoutMs: (i % 8) * 0.5 + 0.001 }),
      );
      await checkOutcomes(storage, calls, ["TIMEOUT"]);
    },
  );

  clause(
    "F2 what was aborted on its way as not applied is not there, and what was acknowledged is",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const calls = times(scale.racers * 4, (i) => {
        const controller = new AbortController();
        const call = storage.addConversationMessage("s", "user", `${i}`, {
          messageId: `m${i}`,
          signal: controller.signal,
        });
        if (i % 4 === 0) controller.abort();
        else if (i % 4 === 1) queueMicrotask(() => controller.abort());
        else if (i % 4 === 2) setImmediate(() => controller.abort());
        return call;
      });
      await checkOutcomes(storage, calls, ["ABORTED"]);
    },
  );

  clause("F2 a signal keeps no listener once its call has settled", async ({ storage }) => {
    const prepared = await prepareStore(storage);
    const { signal } = new AbortController();
    for (const [operation, call] of OPERATION_CALL_ENTRIES) {
      await settle([call(storage, prepared, { signal })]);
      equal(getEventListeners(signal, "abort").length, 0, `listeners after ${operation}`);
    }
  });

  clause("F2 a signal that is aborted after the call has no effect on its result", async ({ storage }) => {
    const controller = new AbortController();
    const session = await storage.createSession("s", "u", { signal: controller.signal });
    controller.abort();
    equal(await storage.getSession("s"), session);
    await storage.updateSession("s", { markError: true });
  });

  clause("F2 the deadline of the handle holds for calls that set none", async ({ openOther }) => {
    const storage = await openOther({ timeoutMs: 60_000 });
    await storage.createSession("s", "u");
    equal((await storage.getSession("s", { timeoutMs: 5_000 }))?.sessionId, "s");
    const hurried = await openOther({ timeoutMs: 1 });
    const calls = times(20, (i) => hurried.createSession(`s${i}`, "u"));
    ok(await settlesWithin(250 + SLACK_MS, calls), "all calls settle");
    const { codes } = await settle(calls);
    for (const code of codes) equal(code, "TIMEOUT");
  });

  clause("F2 calls that were given up make no unhandled rejection", async ({ storage }) => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => {
      unhandled.push(reason);
    };
    process.on("unhandledRejection", listener);
    try {
      await storage.createSession("s", "u");
      await settle(
        times(40, (i) => storage.updateSession("s", { expectedVersion: 99 }, { timeoutMs: 0.001 + i / 20 })),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      equal(
        unhandled.filter((reason) => isStorageError(reason)),
        [],
      );
    } finally {
      process.off("unhandledRejection", listener);
    }
  });
});

/** Compares each call's outcome with what is stored under its message id, once the store is quiet. */
async function checkOutcomes(
  storage: StorageBackend,
  calls: readonly Promise<unknown>[],
  codes: readonly string[],
): Promise<void> {
  const settled = await Promise.allSettled(calls);
  const deadline = performance.now() + 300;
  while (performance.now() < deadline) await storage.getConversationHistory("s", { limit: 1 });
  const stored = new Set(
    (await storage.getConversationHistory("s", { limit: 10_000 })).map((message) => message.messageId),
  );
  for (const [i, result] of settled.entries()) {
    if (result.status === "fulfilled") {
      ok(stored.has(`m${i}`), `message ${i} was acknowledged and is not there`);
      continue;
    }
    const error: unknown = result.reason;
    ok(isStorageError(error) && codes.includes(error.code), `message ${i} rejects with ${String(error)}`);
    if (error.outcome === "not-applied") ok(!stored.has(`m${i}`), `message ${i} was told as not applied and is there`);
  }
}
