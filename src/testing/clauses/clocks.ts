/** Clocks stamp and never order: they may stand still, step back and jump (C1, K2, S4, L1). */
import { equal, ok, present, rejects } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { MANUAL_CLOCK_START } from "../manual-clock.js";

const YEAR_MS = 365 * 24 * 3_600_000;

/** Where a clock may be found, one after the other. */
const JUMPS: readonly number[] = [0, -1, -5_000, 10 * YEAR_MS, -10 * YEAR_MS, 0, 0, 1, -20 * YEAR_MS, 3_600_000];

export const clockClauses: ClauseGroup = clauseGroup("clocks", (clause) => {
  clause("C1 seq grows without gaps whatever the clock does", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    for (const [index, jump] of JUMPS.entries()) {
      clock.set(MANUAL_CLOCK_START + jump);
      const message = await storage.addConversationMessage("s", "user", `${index}`);
      equal([message.seq, message.timestamp], [index + 1, new Date(clock.now())]);
    }
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      JUMPS.map((_, index) => `${index}`),
    );
    equal(
      (await storage.getConversationHistory("s", { after: 4 })).map((message) => message.seq),
      [5, 6, 7, 8, 9, 10],
    );
  });

  clause(
    "K2 the latest checkpoint is the one stored last whatever the clock does",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      for (const [index, jump] of JUMPS.entries()) {
        clock.set(MANUAL_CLOCK_START + jump);
        await storage.storeCheckpoint("t", `c${index}`, index);
        equal((await storage.getCheckpoint("t"))?.data, index);
      }
      equal(
        (await storage.listCheckpoints("t")).map((each) => each.checkpointId),
        JUMPS.map((_, index) => `c${JUMPS.length - 1 - index}`),
      );
      await rejects("CONFLICT", storage.storeCheckpoint("t", "x", 1, { expectedHead: "c3" }));
      await storage.pruneCheckpoints({ keepLast: 2 });
      equal(
        (await storage.listCheckpoints("t")).map((each) => each.checkpointId),
        ["c9", "c8"],
      );
    },
  );

  clause("S4 updatedAt never goes back, and version counts on", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    let last = present(await storage.getSession("s"), "the session");
    for (const [index, jump] of JUMPS.entries()) {
      clock.set(MANUAL_CLOCK_START + jump);
      const session = await storage.updateSession("s", { incrementRequests: true });
      equal([session.version, session.requestCount], [index + 2, index + 1]);
      ok(session.updatedAt >= last.updatedAt, "updatedAt does not go back");
      equal(session.createdAt, new Date(MANUAL_CLOCK_START));
      await storage.addConversationMessage("s", "user", "a");
      last = present(await storage.getSession("s"), "the session");
      ok(last.updatedAt >= session.updatedAt, "updatedAt does not go back with a message");
    }
  });

  clause(
    "T1 versions of a context count on whatever the clock does",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u");
      for (const [index, jump] of JUMPS.entries()) {
        clock.set(MANUAL_CLOCK_START + jump);
        equal((await storage.storeTaskContext("s", index)).version, index + 1);
        equal((await storage.getTaskContext("s"))?.context, index);
      }
    },
  );

  clause(
    "L1 a clock that steps back or jumps lets no older token write",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const old = await storage.acquireLease({ thread: "t" }, { owner: "a", ttlMs: 1_000 });
      clock.advance(1_000);
      const current = await storage.acquireLease({ thread: "t" }, { owner: "b", ttlMs: 1_000 });
      for (const jump of JUMPS) {
        clock.set(MANUAL_CLOCK_START + jump);
        await rejects("FENCED", storage.storeCheckpoint("t", "c", 1, { lease: old }));
        await storage.storeCheckpoint("t", "c", 1, { lease: current });
      }
      clock.set(MANUAL_CLOCK_START - 10 * YEAR_MS);
      const next = await storage.acquireLease({ thread: "t" }, { owner: "b", ttlMs: 1_000 });
      ok(next.token > current.token, "tokens grow");
    },
  );

  clause(
    "S7 pages by time lose no session to a clock that stepped back",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      for (const [index, jump] of JUMPS.entries()) {
        clock.set(MANUAL_CLOCK_START + jump);
        await storage.createSession(`s${index}`, "u");
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await storage.listSessions({ limit: 3, cursor });
        seen.push(...page.items.map((session) => session.sessionId));
        const times = page.items.map((session) => session.createdAt.getTime());
        equal(
          times,
          [...times].sort((a, b) => b - a),
        );
        cursor = page.nextCursor;
      } while (cursor !== undefined && seen.length < 100);
      equal([...seen].sort(), JUMPS.map((_, index) => `s${index}`).sort());
    },
  );

  clause(
    "S8 a session without ttlMs outlives every jump of the clock",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u");
      for (const jump of JUMPS) {
        clock.set(MANUAL_CLOCK_START + jump);
        ok((await storage.getSession("s")) !== undefined, "the session is there");
      }
    },
  );

  clause(
    "M1 versions of an item count on, and its updatedAt never goes back",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      let last = new Date(0);
      for (const [index, jump] of JUMPS.entries()) {
        clock.set(MANUAL_CLOCK_START + jump);
        const item = await storage.putItem(["n"], "k", { index });
        equal([item.version, item.createdAt], [index + 1, new Date(MANUAL_CLOCK_START)]);
        ok(item.updatedAt >= last, "updatedAt does not go back");
        last = item.updatedAt;
      }
      equal((await storage.getItem(["n"], "k"))?.value, { index: JUMPS.length - 1 });
    },
  );

  clause("S1 without a clock of its own the store has the real time", async ({ openOther }) => {
    const storage = await openOther({ clock: undefined });
    const before = Date.now();
    const session = await storage.createSession("s", "u");
    const message = await storage.addConversationMessage("s", "user", "a");
    const after = Date.now();
    // Servers have clocks of their own: a minute apart is not another time.
    for (const instant of [session.createdAt, message.timestamp]) {
      ok(
        instant.getTime() >= before - 60_000 && instant.getTime() <= after + 60_000,
        `it says ${instant.toISOString()}`,
      );
    }
  });
});
