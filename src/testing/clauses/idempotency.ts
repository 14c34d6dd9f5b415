/** Idempotency keys: a repeated update returns its first result and changes nothing (S5). */
import { equal, label, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const DAY_MS = 24 * 60 * 60 * 1_000;

export const idempotencyClauses: ClauseGroup = clauseGroup("idempotency keys", (clause) => {
  clause("S5 a repeated idempotencyKey returns the first result and changes nothing", async ({ storage, pass }) => {
    await storage.createSession("s", "u", { metadata: { a: 1 } });
    const update = { idempotencyKey: "k", incrementRequests: 3, addProcessingTime: 1.5, metadata: { b: 2 } };
    const first = await storage.updateSession("s", update);
    await pass(5);
    equal(await unchanged(storage, () => storage.updateSession("s", update)), first);
  });

  clause("S5 the first result comes back as it was, also when the session has changed since", async ({ storage }) => {
    await storage.createSession("s", "u");
    const first = await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
    await storage.updateSession("s", { incrementRequests: 10, metadata: { later: true } });
    await storage.addConversationMessage("s", "user", "a");
    await storage.endSession("s");
    equal(
      await unchanged(storage, () => storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true })),
      first,
    );
  });

  clause("S5 the same key with another payload rejects with ConflictError and changes nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 1, metadata: { a: 1 } });
    const others = [
      {},
      { incrementRequests: 2, metadata: { a: 1 } },
      { incrementRequests: 1, metadata: { a: 2 } },
      { incrementRequests: 1, metadata: { a: "1" } },
      { incrementRequests: 1, metadata: { b: 1 } },
      { incrementRequests: 1, metadata: { a: 1 }, markError: true },
      { incrementRequests: 1, metadata: { a: 1 }, addProcessingTime: 1 },
      { incrementRequests: 1, metadata: { a: 1 }, status: "failed" as const },
      { incrementRequests: 1, metadata: { a: 1 }, unsetMetadata: ["b"] },
    ];
    await unchanged(storage, async () => {
      for (const update of others) {
        await rejects("CONFLICT", storage.updateSession("s", { idempotencyKey: "k", ...update }), label(update));
      }
    });
  });

  clause("S5 a repeat is known before its expectedVersion is looked at", async ({ storage }) => {
    await storage.createSession("s", "u");
    const update = { idempotencyKey: "k", expectedVersion: 1, incrementRequests: true };
    const first = await storage.updateSession("s", update);
    equal(await storage.updateSession("s", update), first);
    equal((await storage.getSession("s"))?.requestCount, 1);
  });

  clause("S5 a call that was refused has not used up its key", async ({ storage }) => {
    await storage.createSession("s", "u");
    await rejects("CONFLICT", storage.updateSession("s", { idempotencyKey: "k", expectedVersion: 7, markError: true }));
    equal(
      (await storage.updateSession("s", { idempotencyKey: "k", expectedVersion: 1, markError: true })).errorCount,
      1,
    );
  });

  clause("S5 a key belongs to one session", async ({ storage }) => {
    await storage.createSession("a", "u");
    await storage.createSession("b", "u");
    await storage.updateSession("a", { idempotencyKey: "k", incrementRequests: 1 });
    equal((await storage.updateSession("b", { idempotencyKey: "k", incrementRequests: 2 })).requestCount, 2);
  });

  clause("S5 a key belongs to one tenant", async ({ storage }) => {
    for (const [index, name] of ["a", "b"].entries()) {
      const view = storage.tenant(name);
      await view.createSession("s", "u");
      const updated = await view.updateSession("s", { idempotencyKey: "k", incrementRequests: index + 1 });
      equal(updated.requestCount, index + 1);
    }
  });

  clause(
    "S5 of many racing calls with one key exactly one takes effect, and all get its result",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const { values, codes } = await settle(
        times(scale.racers, () => storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true })),
      );
      equal(codes, []);
      for (const session of values) equal(session, values[0]);
      equal((await storage.getSession("s"))?.requestCount, 1);
    },
  );

  clause("S5 different keys each take effect", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.updateSession("s", { idempotencyKey: "k1", incrementRequests: true });
    await storage.updateSession("s", { idempotencyKey: "k2", incrementRequests: true });
    equal((await storage.updateSession("s", { incrementRequests: true })).requestCount, 3);
  });

  clause(
    "S5 a key is still known just before 24 hours have passed",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u");
      await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
      clock.advance(DAY_MS - 1);
      equal((await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true })).requestCount, 1);
      await rejects("CONFLICT", storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 2 }));
      equal((await storage.getSession("s"))?.requestCount, 1);
    },
  );

  clause(
    "S5 a key is forgotten after 24 hours: the same call takes effect again",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u");
      const first = await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
      clock.advance(DAY_MS + 1);
      const second = await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
      equal([first.requestCount, second.requestCount, second.version], [1, 2, 3]);
      equal(await storage.getSession("s"), second);
      equal(await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true }), second);
    },
  );

  clause(
    "S5 a key is forgotten after 24 hours, and may then carry another payload",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u");
      await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
      clock.advance(DAY_MS + 1);
      equal((await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 4 })).requestCount, 5);
      equal((await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 4 })).requestCount, 5);
    },
  );
});
