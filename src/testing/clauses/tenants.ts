/** Tenants: a view reaches its own tenant and nothing else (I2). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, itemsOf, ok, recordsOf, refused, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, type ClauseNeed, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { BAD_IDENTIFIERS } from "../hostile-identifiers.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../operation-calls.js";

/** What readers find under the ids of `prepareStore` in a tenant that has nothing. */
const EMPTY_READS: readonly (readonly [
  name: string,
  read: (storage: StorageBackend) => Promise<unknown>,
  nothing: unknown,
  needs?: readonly ClauseNeed[],
])[] = [
  ["getSession", (storage) => storage.getSession("s"), undefined],
  ["batchGetSessions", (storage) => storage.batchGetSessions(["s", "s2"]), [undefined, undefined]],
  ["listSessions", (storage) => storage.listSessions(), { items: [] }],
  ["listSessions of a user", (storage) => storage.listSessions({ userId: "u" }), { items: [] }],
  [
    "listSessions by status",
    (storage) => storage.listSessions({ status: "active", orderBy: "updatedAt" }),
    { items: [] },
  ],
  [
    "listSessions by metadata",
    (storage) => storage.listSessions({ metadata: { a: 1 } }),
    { items: [] },
    ["metadataFilters"],
  ],
  ["getConversationHistory", (storage) => storage.getConversationHistory("s"), []],
  ["getConversationHistory after", (storage) => storage.getConversationHistory("s", { after: 0, roles: ["user"] }), []],
  ["getCheckpoint", (storage) => storage.getCheckpoint("t"), undefined],
  ["getCheckpoint by id", (storage) => storage.getCheckpoint("t", { checkpointId: "c", writes: true }), undefined],
  ["listCheckpoints", (storage) => storage.listCheckpoints("t", { data: true }), []],
  ["getWrites", (storage) => storage.getWrites("t", "c"), []],
  ["listThreads", (storage) => storage.listThreads(), { items: [] }],
  ["listThreads of a session", (storage) => storage.listThreads({ sessionId: "s" }), { items: [] }],
  ["getTaskContext", (storage) => storage.getTaskContext("s"), undefined],
  ["getTaskContext of a version", (storage) => storage.getTaskContext("s", { version: 1 }), undefined],
  ["listTaskContextVersions", (storage) => storage.listTaskContextVersions("s"), []],
  ["getItem", (storage) => storage.getItem(["n"], "k"), undefined],
  ["searchItems", (storage) => storage.searchItems([]), { items: [] }],
  ["searchItems of a prefix", (storage) => storage.searchItems(["n"], { orderBy: "key" }), { items: [] }],
  ["listNamespaces", (storage) => storage.listNamespaces(), { items: [] }],
  [
    "batchItems",
    (storage) => storage.batchItems([{ get: { namespace: ["n"], key: "k" } }, { search: { prefix: [] } }]),
    [undefined, { items: [] }],
  ],
  ["exportRecords", (storage) => recordsOf(storage), []],
  ["exportRecords of a session", (storage) => recordsOf(storage, { sessionId: "s" }), []],
  ["exportRecords of a thread", (storage) => recordsOf(storage, { threadId: "t" }), []],
];

/** Names that a careless store takes for each other. */
const TENANTS = [
  "a",
  "a/b",
  "a:b",
  "A",
  "a%",
  "%",
  "*",
  "default",
  "Default",
  "__proto__",
  "a ",
  "\u{1f600}",
  ".",
  "..",
];

export const tenantClauses: ClauseGroup = clauseGroup("tenants", (clause) => {
  clause('I2 the storage itself is the view of the tenant "default"', async ({ storage }) => {
    equal([storage.tenantName, storage.tenant("default").tenantName], ["default", "default"]);
    await storage.createSession("s", "u");
    equal((await storage.tenant("default").getSession("s"))?.sessionId, "s");
    equal(storage.tenant("other").kind, storage.kind);
  });

  for (const [name, read, nothing, needs] of EMPTY_READS) {
    clause(`I2 ${name} of one tenant finds nothing of another`, { needs: needs ?? [] }, async ({ storage }) => {
      await prepareStore(storage.tenant("a"));
      equal(await read(storage.tenant("b")), nothing);
      equal(await read(storage), nothing);
      ok(JSON.stringify(await read(storage.tenant("a"))) !== JSON.stringify(nothing), "the tenant itself finds it");
    });
  }

  for (const [operation, call] of OPERATION_CALL_ENTRIES) {
    const needs: ClauseNeed[] = operation === "shareTaskContext" ? ["sharedContexts"] : [];
    clause(
      `I2 ${operation} in one tenant changes nothing in another that has the same ids`,
      { needs },
      async ({ storage }) => {
        const [a, b] = [storage.tenant("a"), storage.tenant("b")];
        const lease = await prepareStore(a);
        const prepared = await prepareStore(b);
        await unchanged(a, () => call(b, prepared));
        await a.updateSession("s", { markError: true }, lease);
        equal((await a.renewLease(lease.lease)).token, lease.lease.token);
      },
    );
  }

  clause("I2 tenants of similar names keep everything apart", async ({ storage }) => {
    for (const name of TENANTS) {
      const view = storage.tenant(name);
      await view.createSession("s", name);
      await view.addConversationMessage("s", "user", name, { messageId: "m" });
      await view.storeTaskContext("s", name);
      await view.storeCheckpoint("t", "c", name, { sessionId: "s" });
      await view.putWrites("t", "c", "task", [["a", name]]);
      await view.putItem(["n"], "k", { name });
    }
    for (const name of [...TENANTS].reverse()) {
      const view = storage.tenant(name);
      equal(
        [
          (await view.listSessions()).items.map((session) => session.userId),
          (await view.getConversationHistory("s")).map((message) => message.content),
          (await view.getTaskContext("s"))?.context,
          (await view.getCheckpoint("t"))?.data,
          (await view.getWrites("t", "c")).map((write) => write.value),
          (await view.searchItems([])).items.map((item) => item.value),
        ],
        [[name], [name], name, name, [name], [{ name }]],
      );
    }
    await storage.tenant("a").deleteSession("s");
    await storage.tenant("%").deleteItems(["n"]);
    for (const name of TENANTS) {
      const view = storage.tenant(name);
      equal(
        [(await view.getSession("s"))?.userId, (await view.getItem(["n"], "k"))?.value],
        [name === "a" ? undefined : name, name === "%" ? undefined : { name }],
      );
    }
  });

  clause("I2 a tenant's view gives itself for its own name and refuses any other", async ({ storage }) => {
    const view = storage.tenant("a");
    equal(view.tenant("a").tenantName, "a");
    for (const name of ["b", "default", "A", "a/b"])
      await refused(async () => view.tenant(name), `tenant ${name} from tenant a`);
  });

  clause("I2 a tenant's name is an identifier: anything else is refused", async ({ storage }) => {
    for (const [fault, name] of [...BAD_IDENTIFIERS, ["the empty string", ""], ["undefined", undefined]] as const) {
      await refused(async () => storage.tenant(name as string), fault);
    }
  });

  clause("I2 two views of one tenant reach the same", async ({ storage }) => {
    await storage.tenant("a").createSession("s", "u");
    equal((await storage.tenant("a").getSession("s"))?.sessionId, "s");
  });

  clause("F4 closing a view closes that view only", async ({ storage }) => {
    const [a, again, b] = [storage.tenant("a"), storage.tenant("a"), storage.tenant("b")];
    await a.createSession("s", "u");
    await a.close();
    await a.close();
    await rejects("CLOSED", a.getSession("s"));
    equal((await a.healthCheck()).status, "unhealthy");
    equal((await again.getSession("s"))?.sessionId, "s");
    await b.createSession("s", "u");
    await storage.createSession("s", "u");
    await b[Symbol.asyncDispose]();
    await rejects("CLOSED", b.getSession("s"));
    equal((await storage.tenant("b").getSession("s"))?.sessionId, "s");
  });

  clause("P1 a tenant's view exports and imports its own records", async ({ storage, support }) => {
    const [a, b] = [storage.tenant("a"), storage.tenant("b")];
    await fillStore(a, support);
    await b.createSession("only in b", "u");
    const records = await recordsOf(a);
    await unchanged(a, () => b.importRecords(records));
    const { items } = await b.listSessions({ limit: 1_000 });
    ok(
      items.some((session) => session.sessionId === "only in b"),
      "what b had is there",
    );
    await b.deleteSession("only in b");
    equal(await recordsOf(b), records);
    equal(await recordsOf(storage), []);
  });

  clause("I2 the pages of one tenant hold none of another, however they are ordered", async ({ storage }) => {
    for (let i = 0; i < 8; i++) {
      for (const name of ["a", "b"]) {
        const view = storage.tenant(name);
        await view.createSession(`s${i}`, name, { metadata: { of: name } });
        await view.storeCheckpoint(`t${i}`, "c", name);
        await view.putItem([`n${i}`], "k", { of: name });
      }
    }
    for (const name of ["a", "b"]) {
      const view = storage.tenant(name);
      const sessions = await itemsOf((cursor) => view.listSessions({ limit: 3, cursor }));
      equal([sessions.length, new Set(sessions.map((session) => session.userId))], [8, new Set([name])]);
      equal((await itemsOf((cursor) => view.listThreads({ limit: 3, cursor }))).length, 8);
      const items = await itemsOf((cursor) => view.searchItems([], { limit: 3, cursor }));
      equal([items.length, new Set(items.map((item) => item.value.of))], [8, new Set([name])]);
      equal((await itemsOf((cursor) => view.listNamespaces({ limit: 3, cursor }))).length, 8);
    }
  });
});
