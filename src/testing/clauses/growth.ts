/** Reads take as long with much data as with little (C3, S7). */
import { equal, ok, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

/** How often each read is timed; medians are compared. */
const ROUNDS = 41;

/** Measurements that must all be bad. */
const ATTEMPTS = 3;

export const growthClauses: ClauseGroup = clauseGroup("growth", (clause) => {
  clause(
    "C3 the time of a read depends on limit and not on the length of the conversation",
    { timeoutMs: 120_000, alone: true },
    async ({ storage }) => {
      for (const [id, length] of [
        ["short", 100],
        ["long", 20_000],
      ] as const) {
        await storage.createSession(id, "u");
        for (let from = 0; from < length; from += 1_000) {
          const batch = times(Math.min(1_000, length), (i) => ({ role: "user", content: `${from + i + 1}` }));
          await storage.addConversationMessages(id, batch);
        }
      }
      const read = (id: string, options: object) => async (): Promise<void> => {
        equal((await storage.getConversationHistory(id, { limit: 50, ...options })).length, 50);
      };
      await takesAsLong("the newest 50 messages", read("short", {}), read("long", {}));
      await takesAsLong("50 messages after one", read("short", { after: 20 }), read("long", { after: 10_000 }));
      await takesAsLong("50 messages before one", read("short", { before: 90 }), read("long", { before: 10_000 }));
    },
  );

  clause(
    "S7 the time of a page is independent of how many sessions there are, also far into the listing",
    { timeoutMs: 120_000, alone: true },
    async ({ storage }) => {
      const tenants = { few: storage.tenant("few"), many: storage.tenant("many") };
      for (const [tenant, count] of [
        [tenants.few, 100],
        [tenants.many, 10_000],
      ] as const) {
        for (let from = 0; from < count; from += 500) {
          const batch = times(Math.min(500, count), (i) => ({ sessionId: `s${from + i}`, userId: "u" }));
          await tenant.batchCreateSessions(batch);
        }
      }
      const page =
        (tenant: "few" | "many", query: { readonly cursor?: string | undefined; readonly userId?: string }) =>
        async (): Promise<void> => {
          equal((await tenants[tenant].listSessions({ limit: 50, ...query })).items.length, 50);
        };
      await takesAsLong("the first page", page("few", {}), page("many", {}));
      await takesAsLong("the first page of a user", page("few", { userId: "u" }), page("many", { userId: "u" }));
      const { nextCursor: near } = await tenants.few.listSessions({ limit: 50 });
      let far: string | undefined;
      for (let pages = 0; pages < 9; pages++) {
        far = (await tenants.many.listSessions({ limit: 1_000, cursor: far })).nextCursor;
      }
      await takesAsLong("a page far on", page("few", { cursor: near }), page("many", { cursor: far }));
    },
  );
});

/** That reading among much takes about as long as among little. A walk through all would take some hundred times as long. */
async function takesAsLong(what: string, little: () => Promise<void>, much: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const spent: { little: number[]; much: number[] } = { little: [], much: [] };
    for (let round = 0; round < ROUNDS; round++) {
      spent.little.push(await timed(little));
      spent.much.push(await timed(much));
    }
    const [among, beside] = [median(spent.much), median(spent.little)];
    // A fixed part besides, so that noise on reads of microseconds decides nothing.
    if (among <= beside * 5 + 2) return;
    // A machine that had other work for a while has not, the next time; a read that grows, grows again.
    ok(attempt < ATTEMPTS, `${what}: ${among.toFixed(2)} ms among much, ${beside.toFixed(2)} ms among little`);
  }
}

async function timed(action: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
