/** Listing sessions: filters, order, pages and cursors (S7). */
import type { Page } from "../../contract/call.js";
import type { Session, SessionQuery } from "../../contract/session-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import { equal, itemsOf, label, metadataIn, ok, present, refused, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { damagedCursors } from "../damaged-cursors.js";

export const sessionListingClauses: ClauseGroup = clauseGroup("listing sessions", (clause) => {
  clause("S7 listSessions gives the newest first, whole sessions", async ({ storage, pass }) => {
    for (const id of ["b", "a", "c"]) {
      await storage.createSession(id, "u", { metadata: { id } });
      await pass(2);
    }
    const page = await storage.listSessions();
    equal(idsOf(page), ["c", "a", "b"]);
    equal(page.items, await storage.batchGetSessions(["c", "a", "b"]));
    equal("nextCursor" in page, false, "whether the only page has a cursor");
  });

  clause("S7 a page has 50 sessions unless limit says otherwise, at most 1,000", async ({ storage }) => {
    await storage.batchCreateSessions(times(60, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    equal((await storage.listSessions()).items.length, 50);
    equal((await storage.listSessions({ limit: 7 })).items.length, 7);
    equal((await storage.listSessions({ limit: 1_000 })).items.length, 60);
  });

  clause("S7 limit outside 1 to 1,000, or no integer, is refused", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const limit of [0, -1, 1_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "5", null]) {
      await refused(storage.listSessions({ limit: limit as number }), `limit ${String(limit)}`);
    }
  });

  clause("S7 userId, status and both filter", async ({ storage }) => {
    await storage.batchCreateSessions(times(6, (i) => ({ sessionId: `s${i}`, userId: i % 2 === 0 ? "even" : "odd" })));
    await storage.endSession("s0");
    await storage.endSession("s1", "failed");
    await storage.endSession("s2", "expired");
    const ids = async (query: SessionQuery): Promise<string[]> => idsOf(await storage.listSessions(query)).sort();
    equal(await ids({ userId: "even" }), ["s0", "s2", "s4"]);
    equal(await ids({ userId: "Even" }), []);
    equal(await ids({ status: "active" }), ["s3", "s4", "s5"]);
    equal(await ids({ status: ["failed"] }), ["s1"]);
    equal(await ids({ status: ["completed", "expired"] }), ["s0", "s2"]);
    equal(await ids({ status: ["active", "active", "failed"], userId: "odd" }), ["s1", "s3", "s5"]);
    equal(await ids({ status: "completed", userId: "odd" }), []);
  });

  clause(
    "S7 created and updated are half-open ranges of instants",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const start = clock.now();
      for (const id of ["a", "b", "c"]) {
        await storage.createSession(id, "u");
        clock.advance(1);
      }
      clock.set(start + 100);
      await storage.updateSession("a", { markError: true });
      const at = (ms: number): Date => new Date(start + ms);
      const ids = async (query: SessionQuery): Promise<string[]> =>
        idsOf(await storage.listSessions({ direction: "asc", ...query }));
      equal(await ids({ created: { from: at(1) } }), ["b", "c"]);
      equal(await ids({ created: { to: at(1) } }), ["a"]);
      equal(await ids({ created: { from: at(0), to: at(2) } }), ["a", "b"]);
      equal(await ids({ created: { from: at(1), to: at(1) } }), []);
      equal(await ids({ created: {} }), ["a", "b", "c"]);
      equal(await ids({ updated: { from: at(100) } }), ["a"]);
      equal(await ids({ updated: { to: at(100) } }), ["b", "c"]);
      equal(await ids({ updated: { from: at(2), to: at(101) }, orderBy: "updatedAt" }), ["c", "a"]);
      equal(await ids({ updated: { from: at(100) }, created: { to: at(1) } }), ["a"]);
    },
  );

  clause("S7 orderBy updatedAt and direction asc order as they say", async ({ storage, pass }) => {
    for (const id of ["a", "b", "c"]) {
      await storage.createSession(id, "u");
      await pass(2);
    }
    await storage.addConversationMessage("a", "user", "moves updatedAt");
    equal(idsOf(await storage.listSessions({ orderBy: "updatedAt" })), ["a", "c", "b"]);
    equal(idsOf(await storage.listSessions({ orderBy: "updatedAt", direction: "asc" })), ["b", "c", "a"]);
    equal(idsOf(await storage.listSessions({ orderBy: "createdAt", direction: "asc" })), ["a", "b", "c"]);
    equal(idsOf(await storage.listSessions({ orderBy: "createdAt", direction: "desc" })), ["c", "b", "a"]);
  });

  clause(
    "S7 ties are ordered by session id, by code point, in the same direction",
    { needs: ["clock"] },
    async ({ storage }) => {
      const ids = [
        "a",
        "A",
        "b",
        "aa",
        "\u00e9",
        "e\u0301",
        "\ufffd",
        "\u{1f600}",
        "\u{10ffff}",
        "\uff21",
        "Z",
        "_",
        "1",
        "10",
        "2",
      ];
      await storage.batchCreateSessions(ids.map((sessionId) => ({ sessionId, userId: "u" })));
      const sorted = [...ids].sort(compareCodePoints);
      for (const limit of [1, 2, 4, 100]) {
        for (const orderBy of ["createdAt", "updatedAt"] as const) {
          equal(
            (await walk(storage, { orderBy, direction: "asc", limit })).map((each) => each.sessionId),
            sorted,
          );
          equal(
            (await walk(storage, { orderBy, limit })).map((each) => each.sessionId),
            [...sorted].reverse(),
          );
        }
      }
    },
  );

  clause(
    "S7 the pages of a listing give every session exactly once, whatever the limit",
    async ({ storage, pass, support }) => {
      for (let i = 0; i < 12; i++) {
        await storage.createSession(`s${i}`, i % 3 === 0 ? "u" : "v", { metadata: { even: i % 2 === 0 } });
        if (i % 4 === 0) await pass(2);
      }
      const queries: SessionQuery[] = [
        {},
        { direction: "asc" },
        { orderBy: "updatedAt" },
        { userId: "v" },
        metadataIn(support, { even: true }),
        { userId: "u", status: "active", direction: "asc", ...metadataIn(support, { even: false }) },
      ];
      for (const query of queries) {
        const whole = (await storage.listSessions({ ...query, limit: 1_000 })).items;
        ok(whole.length > 1, "the query finds sessions");
        for (const limit of [1, 2, 3, 5, whole.length, whole.length + 1]) {
          equal(await walk(storage, { ...query, limit }), whole, label({ ...query, limit }));
        }
      }
    },
  );

  clause("S7 the last page has no cursor, also when it is full", async ({ storage }) => {
    await storage.batchCreateSessions(times(4, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    const first = await storage.listSessions({ limit: 2 });
    const second = await storage.listSessions({ limit: 2, cursor: present(first.nextCursor, "the cursor") });
    equal([second.items.length, "nextCursor" in second], [2, false]);
    equal("nextCursor" in (await storage.listSessions({ limit: 4 })), false);
  });

  clause("S7 the limit may change from page to page", async ({ storage }) => {
    await storage.batchCreateSessions(times(9, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    const whole = await storage.listSessions();
    const first = await storage.listSessions({ limit: 2 });
    const rest = await storage.listSessions({ limit: 500, cursor: present(first.nextCursor, "the cursor") });
    equal([...first.items, ...rest.items], whole.items);
  });

  clause(
    "S7 pages neither skip nor repeat a session while others are created and deleted",
    async ({ storage, pass }) => {
      const stable = times(20, (i) => `stable-${i}`);
      for (const id of stable) {
        await storage.createSession(id, "u");
        await storage.createSession(`gone-${id}`, "u");
        await pass(1);
      }
      for (const direction of ["asc", "desc"] as const) {
        const seen: string[] = [];
        let cursor: string | undefined;
        let page = 0;
        do {
          const found: Page<Session> = await storage.listSessions({ limit: 3, direction, cursor });
          seen.push(...idsOf(found));
          cursor = found.nextCursor;
          page += 1;
          await storage.createSession(`new-${direction}-${page}`, "u");
          await storage.deleteSession(`gone-stable-${page}`);
          await storage.updateSession(`stable-${page % 20}`, { markError: true });
          ok(page < 100, "the listing ends");
        } while (cursor !== undefined);
        equal(
          seen.filter((id) => id.startsWith("stable-")),
          direction === "asc" ? stable : [...stable].reverse(),
        );
        equal(new Set(seen).size, seen.length, "how many different sessions were seen");
      }
    },
  );

  clause("S7 a cursor goes on although the session that it ended with was deleted", async ({ storage, pass }) => {
    for (const id of ["a", "b", "c", "d"]) {
      await storage.createSession(id, "u");
      await pass(2);
    }
    const first = await storage.listSessions({ limit: 2, direction: "asc" });
    await storage.deleteSession("b");
    const rest = await storage.listSessions({
      limit: 2,
      direction: "asc",
      cursor: present(first.nextCursor, "the cursor"),
    });
    equal(idsOf(rest), ["c", "d"]);
  });

  clause("S7 a cursor of another query or listing is refused", async ({ storage, support }) => {
    await storage.batchCreateSessions(times(4, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    for (const thread of ["t1", "t2", "t3"]) await storage.storeCheckpoint(thread, "c", 1);
    const cursor = present((await storage.listSessions({ limit: 1 })).nextCursor, "the cursor");
    const others: SessionQuery[] = [
      { userId: "u" },
      { status: "active" },
      { status: ["active", "failed"] },
      { userId: "v", ...metadataIn(support, { a: 1 }) },
      { direction: "asc" },
      { orderBy: "updatedAt" },
      { created: { from: new Date(0) } },
      { updated: { to: new Date(8e15) } },
    ];
    for (const query of others) await refused(storage.listSessions({ ...query, cursor }), label(query));
    await refused(storage.listThreads({ cursor }), "listThreads");
    await refused(storage.searchItems([], { cursor }), "searchItems");
    await refused(storage.listNamespaces({ cursor }), "listNamespaces");
    const ofThreads = present((await storage.listThreads({ limit: 1 })).nextCursor, "the cursor of threads");
    await refused(storage.listSessions({ cursor: ofThreads }), "a cursor of threads");
    const byUser = present((await storage.listSessions({ limit: 1, userId: "u" })).nextCursor, "the cursor of a user");
    await refused(storage.listSessions({ cursor: byUser }), "a cursor of a narrower query");
    await refused(storage.listSessions({ userId: "v", cursor: byUser }), "a cursor of another user");
  });

  clause("S7 a cursor that was changed on its way is refused", async ({ storage }) => {
    await storage.batchCreateSessions(times(4, (i) => ({ sessionId: `s${i}`, userId: "u" })));
    const cursor = present((await storage.listSessions({ limit: 2 })).nextCursor, "the cursor");
    for (const damaged of damagedCursors(cursor)) {
      await refused(storage.listSessions({ cursor: damaged as string }), `cursor ${String(damaged)}`);
    }
    equal((await storage.listSessions({ cursor })).items.length, 2, "the sessions after the cursor itself");
  });

  clause("S7 unknown fields and values of another kind are refused, never ignored", async ({ storage }) => {
    await storage.createSession("s", "u");
    const queries: object[] = [
      { user: "u" },
      { where: {} },
      { offset: 1 },
      { __proto__x: 1 },
      { status: "done" },
      { status: ["active", "done"] },
      { status: null },
      { orderBy: "sessionId" },
      { orderBy: null },
      { direction: "down" },
      { created: new Date(0) },
      { created: { from: "2020-01-01" } },
      { created: { from: 0 } },
      { created: { from: new Date(Number.NaN) } },
      { created: { since: new Date(0) } },
      { updated: { to: null } },
      { updated: null },
      { metadata: null },
      { metadata: [] },
      { metadata: "a" },
    ];
    for (const query of queries) await refused(storage.listSessions(query as SessionQuery), label(query));
    await refused(storage.listSessions(null as unknown as SessionQuery), "null");
    await refused(storage.listSessions("u" as unknown as SessionQuery), "a string");
  });
});

function idsOf(page: Page<Session>): string[] {
  return page.items.map((session) => session.sessionId);
}

function walk(storage: StorageBackend, query: SessionQuery & { readonly limit: number }): Promise<Session[]> {
  return itemsOf((cursor) => storage.listSessions({ ...query, cursor }), query.limit);
}
