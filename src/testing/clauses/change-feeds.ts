/** The feed of changes by others (F8). */
import { setTimeout as wait } from "node:timers/promises";
import { type ChangeFeed, changeFeed, type StoreChange } from "../../contract/change-feed.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, present } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const NEEDS = { needs: ["changeFeed", "secondHandle"] } as const;
const FED = { changeFeed: true } as const;

/** How long a change may take to be told, in milliseconds. */
const SOON_MS = 5_000;

/** After how long without another change none is on its way any more, in milliseconds. */
const QUIET_MS = 200;

export const changeFeedClauses: ClauseGroup = clauseGroup("feeds of changes", (clause) => {
  clause("F8 what another handle writes is told, with its subject or as lost", NEEDS, async ({ open }) => {
    const [one, other] = [await open(FED), await open(FED)];
    await fill(other);
    const heard = await hearing(one);
    for (const [name, write, told] of WRITES) {
      heard.clear();
      await write(other);
      ok(await heard.of(told), `${name} was not told`);
    }
    await heard.end();
  });

  clause("F8 a view hears of its own tenant alone", NEEDS, async ({ open }) => {
    const [one, other] = [await open(FED), await open(FED)];
    const acme = one.tenant("acme");
    await other.tenant("acme").createSession("s", "u");
    const heard = await hearing(acme);
    const all = await hearing(one);
    for (const each of [heard, all]) each.clear();
    await other.createSession("x", "u");
    ok(await all.of({ tenant: "default", session: "x" }), "the storage hears of every tenant");
    await other.tenant("acme").createSession("y", "u");
    ok(await heard.of({ tenant: "acme", session: "y" }), "the view hears of its tenant");
    ok(
      heard.changes.every((change) => change === "lost" || change.tenant === "acme"),
      "the view hears of no other tenant",
    );
    await heard.end();
    await all.end();
  });

  clause("F8 reading tells nothing, and neither does who has left", NEEDS, async ({ open }) => {
    const [one, other] = [await open(FED), await open(FED)];
    const heard = await hearing(one);
    heard.clear();
    await fill(other);
    await heard.allOf({ tenant: "default", session: "s" }, { tenant: "default", thread: "t" });
    await other.getSession("s");
    await other.getConversationHistory("s");
    await other.listCheckpoints("t", { data: true });
    await other.cleanupExpiredSessions({ dryRun: true });
    await one.getSession("s");
    await wait(100);
    heard.poll();
    equal(heard.changes, []);
    await heard.end();
    await other.createSession("later", "u");
    await wait(100);
    heard.poll();
    equal(heard.changes, []);
  });

  clause("F8 a storage that was opened without the option has no feed", NEEDS, async ({ storage, open }) => {
    equal(changeFeed(storage), undefined);
    const fed = await open(FED);
    equal(changeFeed(fed.tenant("acme")) === undefined, false);
  });
});

const WRITES: readonly (readonly [string, (storage: StorageBackend) => Promise<unknown>, StoreChange])[] = (() => {
  const tenant = "default";
  const [s, t] = [
    { tenant, session: "s" },
    { tenant, thread: "t" },
  ];
  return [
    ["createSession", (storage) => storage.createSession("new", "u"), { tenant, session: "new" }],
    ["updateSession", (storage) => storage.updateSession("s", { incrementRequests: true }), s],
    ["addConversationMessage", (storage) => storage.addConversationMessage("s", "user", "x"), s],
    [
      "two appends at once",
      (storage) => Promise.all(["a", "b", "c"].map((text) => storage.addConversationMessage("s", "user", text))),
      s,
    ],
    ["addConversationMessages", (storage) => storage.addConversationMessages("s", [{ role: "user", content: "y" }]), s],
    ["deleteConversationMessages", (storage) => storage.deleteConversationMessages("s", { before: 2 }), s],
    ["storeTaskContext", (storage) => storage.storeTaskContext("s", { a: 1 }), s],
    ["storeCheckpoint", (storage) => storage.storeCheckpoint("t", "d", { a: 1 }), t],
    ["storeCheckpoint again", (storage) => storage.storeCheckpoint("t", "d", { a: 2 }), t],
    ["putWrites", (storage) => storage.putWrites("t", "d", "task", [["channel", 1]]), t],
    ["copyThread", (storage) => storage.copyThread("t", "copy"), { tenant, thread: "copy" }],
    ["deleteCheckpoints", (storage) => storage.deleteCheckpoints("t", ["d"]), t],
    [
      "pruneCheckpoints",
      (storage) => storage.pruneCheckpoints({ keepLast: 1, threadId: "copy" }),
      { tenant, thread: "copy" },
    ],
    ["deleteThread", (storage) => storage.deleteThread("t"), t],
    ["endSession", (storage) => storage.endSession("s"), s],
    ["deleteSession", (storage) => storage.deleteSession("s"), s],
  ];
})();

async function fill(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u");
  await storage.addConversationMessage("s", "user", "first");
  for (const id of ["a", "b", "c"]) await storage.storeCheckpoint("t", id, { id });
}

interface Hearing {
  readonly changes: (StoreChange | "lost")[];
  clear(): void;
  poll(): void;
  /** Whether a change is told soon, or that anything may have changed. */
  of(change: StoreChange): Promise<boolean>;
  /** Waits until these were told and all that is still on its way, and clears. */
  allOf(...changes: readonly StoreChange[]): Promise<void>;
  end(): Promise<void>;
}

/** Listens to a feed, from the moment on in which it says that it does. */
async function hearing(storage: StorageBackend): Promise<Hearing> {
  await storage.initialize();
  const feed: ChangeFeed = present(changeFeed(storage), "the feed of changes");
  const changes: (StoreChange | "lost")[] = [];
  const leave = feed.subscribe((change) => {
    changes.push(change);
  });
  const poll = (): void => feed.poll?.();
  const until = async (isTold: () => boolean): Promise<boolean> => {
    for (const end = performance.now() + SOON_MS; performance.now() < end; await wait(5)) {
      poll();
      if (isTold()) return true;
    }
    return false;
  };
  ok(await until(() => changes.includes("lost")), "the feed says when it listens");
  const covers = (told: StoreChange | "lost", { tenant, session, thread }: StoreChange): boolean => {
    if (told === "lost") return true;
    if (told.tenant !== tenant) return false;
    if (told.session === undefined && told.thread === undefined) return true;
    return session !== undefined ? told.session === session : told.thread === thread;
  };
  const clear = (): void => {
    poll();
    changes.length = 0;
  };
  const of = (change: StoreChange): Promise<boolean> => until(() => changes.some((told) => covers(told, change)));
  return {
    changes,
    poll,
    clear,
    of,
    async allOf(...told) {
      for (const change of told) ok(await of(change), `${JSON.stringify(change)} was not told`);
      // Servers pass changes on to each other, each in its own time.
      for (let before = -1; before !== changes.length; poll()) {
        before = changes.length;
        await wait(QUIET_MS);
      }
      clear();
    },
    end: async () => {
      await leave();
    },
  };
}
