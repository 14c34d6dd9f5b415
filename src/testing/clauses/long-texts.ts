/**
 * Long texts of messages, contexts, writes and items, which a backend may keep in pieces: what becomes of one becomes of all its pieces
 * (V1, C4, K3, K7, P1, P2), and none is left behind when it goes (S10).
 */
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { type StoredReplacement, storedValues } from "../../contract/stored-replacement.js";
import { equal, filterIn, ok, present, recordsOf, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const N = ["n"];

/** Of characters of one to four bytes, so that pieces of any length end beside each kind. */
const longText = (name: string | number, length = 1_300_000): string => `${name} é日😀"\\`.repeat(length / 8);

/** A value with a long text in each place. */
async function fill(storage: StorageBackend, name: string | number): Promise<void> {
  await storage.createSession("s", "u", { ifExists: "return" });
  await storage.addConversationMessage("s", "user", longText(name), { metadata: { name } });
  await storage.storeTaskContext("s", { text: longText(name) });
  await storage.storeCheckpoint("t", "c", name, { sessionId: "s" });
  await storage.putWrites("t", "c", "task", [["channel", longText(name)]], { overwrite: true });
  await storage.putItem(N, "k", { text: longText(name) });
}

/** All that `fill` has stored last. */
async function valuesOf(storage: StorageBackend): Promise<unknown[]> {
  const [message] = await storage.getConversationHistory("s", { limit: 1 });
  const context = await storage.getTaskContext("s");
  const [write] = await storage.getWrites("t", "c");
  const item = await storage.getItem(N, "k");
  return [message?.content, context?.context, write?.value, item?.value];
}

const valuesOfFill = (name: string | number): unknown[] => {
  const text = longText(name);
  return [text, { text }, text, { text }];
};

const wholeOrNone = (text: unknown, names: number): boolean =>
  text === undefined || times(names, (i) => i).some((name) => text === longText(name));

export const longTextClauses: ClauseGroup = clauseGroup("long texts", (clause) => {
  clause(
    "P1 long texts come back from an import as they were, also in the place of others",
    { timeoutMs: 60_000 },
    async ({ storage, openOther }) => {
      await fill(storage, "new");
      const other = await openOther();
      await fill(other, "old");
      await other.importRecords(storage.exportRecords(), { onConflict: "replace" });
      same(await valuesOf(other), valuesOfFill("new"), "what was imported");
      same(await recordsOf(other), await recordsOf(storage), "the records of the import");
    },
  );

  clause("V1 a long text takes the place of another value, and another one its place", async ({ storage }) => {
    await storage.createSession("s", "u");
    const values = ["short", longText("first"), longText("other", 1_100_000), "short again", longText("last")];
    for (const value of values) {
      await storage.putWrites("t", "c", "task", [["channel", value]], { overwrite: true });
      await storage.putItem(N, "k", { text: value });
      await storage.storeTaskContext("s", value);
      same((await storage.getWrites("t", "c"))[0]?.value, value, "the write");
      same((await storage.getItem(N, "k"))?.value, { text: value }, "the item");
      same((await storage.getTaskContext("s"))?.context, value, "the context");
    }
    for (const [i, value] of values.entries()) {
      same((await storage.getTaskContext("s", { version: i + 1 }))?.context, value, `version ${i + 1}`);
    }
    await storage.updateItem(N, "k", { merge: { more: longText("merged") } });
    const merged = { text: longText("last"), more: longText("merged") };
    same((await storage.getItem(N, "k"))?.value, merged, "the item that was updated");
    await storage.updateItem(N, "k", { unset: ["more", "text"] });
    same((await storage.getItem(N, "k"))?.value, {}, "the item without its texts");
  });

  clause(
    "K3 C4 a long text that is stored already stays, and one that is not stored is not read",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessage("s", "user", longText("first"), { messageId: "m" });
      const again = await storage.addConversationMessage("s", "user", longText("other"), { messageId: "m" });
      same(again.content, longText("first"), "the message that is there");
      equal((await storage.getConversationHistory("s")).length, 1);
      await storage.putWrites("t", "c", "task", [["channel", longText("first")]]);
      await storage.putWrites("t", "c", "task", [["channel", longText("other")]]);
      same((await storage.getWrites("t", "c"))[0]?.value, longText("first"), "the write that is there");
    },
  );

  clause("K7 a copied thread has long writes of its own", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    await storage.putWrites("t", "c", "task", [
      ["a", longText("a")],
      ["b", 2],
      ["c", longText("c")],
    ]);
    await storage.copyThread("t", "copy");
    const written = await storage.getWrites("t", "c");
    await storage.putWrites("t", "c", "task", [["a", "replaced"]], { overwrite: true });
    same(await storage.getWrites("copy", "c"), written, "the writes of the copy");
    await storage.deleteThread("t");
    same(await storage.getWrites("copy", "c"), written, "the writes of the copy without its source");
    const found = present(await storage.getCheckpoint("copy", { writes: true }), "the checkpoint");
    same(found.writes, written, "the writes that come with the checkpoint");
  });

  clause("M2 a filter finds items by what stands in long texts", async ({ storage, support }) => {
    for (const key of ["a", "b", "c"]) {
      await storage.putItem(N, key, { text: longText(key), wanted: key !== "b" });
    }
    const { items } = await storage.searchItems(N, {
      orderBy: "key",
      direction: "asc",
      ...filterIn(support, { wanted: true }),
    });
    const found = items.filter(({ value }) => value.wanted === true);
    same(
      found.map(({ value }) => value.text),
      ["a", "c"].map((key) => longText(key)),
      "the texts that were found",
    );
  });

  clause(
    "V1 who reads while long texts are replaced and deleted sees one of them, whole, or none",
    { timeoutMs: 60_000 },
    async ({ storage }) => {
      const rounds = 4;
      await fill(storage, 0);
      let isOver = false;
      const writing = (async () => {
        for (let i = 1; i < rounds; i++) {
          await fill(storage, i);
          if (i % 2 === 0) await storage.deleteItem(N, "k");
          await storage.deleteConversationMessages("s", "all");
        }
      })().finally(() => {
        isOver = true;
      });
      // Its failure is told below; until then nobody waits for it.
      writing.catch(() => undefined);
      for (let reads = 0; !isOver && reads < 40; reads++) {
        const [message, context, write, item] = await valuesOf(storage);
        const texts = [
          message,
          (context as { text: string }).text,
          write,
          (item as { text: string } | undefined)?.text,
        ];
        for (const [i, text] of texts.entries()) ok(wholeOrNone(text, rounds), `text ${i} is whole`);
        await wait(1);
      }
      await writing;
      const last = valuesOfFill(rounds - 1);
      same(await valuesOf(storage), [undefined, ...last.slice(1)], "what is left");
    },
  );

  clause(
    "P2 a long text is replaced where it is still what was read",
    { needs: ["replacements"] },
    async ({ storage }) => {
      await fill(storage, "old");
      const names = ["old", "new", "short", "last"];
      const textNamed = (name: string): string => (name === "short" ? name : longText(name));
      const swap = (from: string, to: string): StoredReplacement[] => [
        {
          kind: "message",
          sessionId: "s",
          seq: 1,
          from: { content: textNamed(from), metadata: { name: "old" } },
          to: { content: textNamed(to), metadata: { name: "old" } },
        },
        {
          kind: "task_context",
          sessionId: "s",
          version: 1,
          from: { context: { text: textNamed(from) }, metadata: {} },
          to: { context: { text: textNamed(to) }, metadata: {} },
        },
        {
          kind: "write",
          threadId: "t",
          namespace: "",
          checkpointId: "c",
          taskId: "task",
          index: 0,
          from: { value: textNamed(from) },
          to: { value: textNamed(to) },
        },
        {
          kind: "item",
          namespace: N,
          key: "k",
          from: { value: { text: textNamed(from) } },
          to: { value: { text: textNamed(to) } },
        },
      ];
      const port = present(storedValues(storage), "the port replaceStored");
      for (const [i, to] of names.slice(1).entries()) {
        const from = names[i] as string;
        equal(await port.replaceStored(swap("another", to)), [false, false, false, false]);
        equal(await port.replaceStored(swap(from, to)), [true, true, true, true]);
        const text = textNamed(to);
        same(await valuesOf(storage), [text, { text }, text, { text }], `what took the place of ${from}`);
      }
    },
  );

  const removals: readonly (readonly [name: string, remove: (storage: StorageBackend) => Promise<unknown>])[] = [
    ["S10 deleting what holds them", removeAll],
    [
      "V1 replacing them",
      async (storage) => {
        await storage.putItem(N, "k", {});
        await storage.putWrites("t", "c", "task", [["channel", 1]], { overwrite: true });
        await storage.deleteConversationMessages("s", "all");
        await storage.deleteSession("s");
      },
    ],
  ];
  for (const [name, remove] of removals) {
    clause(
      `${name} gives the space of long texts back`,
      { needs: ["freedBytes"], timeoutMs: 60_000 },
      async ({ storage }) => {
        const sizeOf = async (): Promise<number> =>
          present((await storage.getMetrics()).sizeBytes, "sizeBytes of the metrics").value;
        await storage.storeCheckpoint("other", "c", 1);
        const empty = await sizeOf();
        await fill(storage, "text");
        const full = await sizeOf();
        await remove(storage);
        const end = performance.now() + FREED_WITHIN_MS;
        let left = await sizeOf();
        while (left - empty > (full - empty) / 10 && performance.now() < end) {
          await wait(50);
          left = await sizeOf();
        }
        ok(left - empty <= (full - empty) / 10, `of ${full - empty} bytes ${left - empty} are still stored`);
      },
    );
  }
});

/** How long a store may take to give space back. */
const FREED_WITHIN_MS = 10_000;

async function removeAll(storage: StorageBackend): Promise<void> {
  await storage.deleteItem(N, "k");
  await storage.deleteSession("s");
}

/** Without a look at how they differ, which of long texts nobody could read. */
function same(actual: unknown, expected: unknown, what: string): void {
  ok(isDeepStrictEqual(actual, expected), `${what} is as it was stored`);
}
