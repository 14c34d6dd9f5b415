/** Vectors of items: what is kept of them, and with what they change (M4). */
import type { Page } from "../../contract/call.js";
import type { Item, PutItemOptions, Vector } from "../../contract/item-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, present, recordsOf, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const N = ["n"];
const NEEDS = { needs: ["vectors"] } as const;

const put = (storage: StorageBackend, key: string, ...vectors: readonly Vector[]): Promise<Item> =>
  storage.putItem(N, key, { of: key }, { vectors });

/** Keys and scores, which are exact for the small whole numbers of these vectors. */
const ranked = (page: Page<Item>): (readonly [string, number | undefined])[] =>
  page.items.map(({ key, score }) => [key, score]);

const keysOf = (page: Page<Item>): string[] => page.items.map(({ key }) => key);

export const itemVectorClauses: ClauseGroup = clauseGroup("vectors of items", (clause) => {
  clause("F6 a store keeps vectors, or refuses them before anything is written", async ({ storage, support }) => {
    const similarTo = { vector: [1, 0] };
    if (support.vectors === true) {
      await put(storage, "k", [1, 0]);
      equal(keysOf(await storage.searchItems(N, { similarTo })), ["k"]);
      return;
    }
    const place = { namespace: N, key: "k" };
    await unchanged(storage, async () => {
      await rejects("UNSUPPORTED", put(storage, "k", [1, 0]));
      await rejects("UNSUPPORTED", storage.updateItem(N, "k", { merge: { a: 1 } }, { vectors: [[1, 0]] }));
      await rejects("UNSUPPORTED", storage.searchItems(N, { similarTo }));
      const fine = { put: { namespace: N, key: "fine", value: {} } };
      for (const step of [{ put: { ...place, value: {}, vectors: [[1]] } }, { search: { prefix: N, similarTo } }]) {
        await rejects("UNSUPPORTED", storage.batchItems([fine, step]));
      }
    });
    await storage.putItem(N, "k", {}, { vectors: [] });
  });

  clause(
    "M4 a put replaces the vectors with the value, and without vectors removes them",
    NEEDS,
    async ({ storage }) => {
      const found = async (): Promise<(readonly [string, number | undefined])[]> =>
        ranked(await storage.searchItems(N, { similarTo: { vector: [1, 0], distance: "dot" } }));
      await put(storage, "k", [1, 0], [5, 0]);
      equal(await found(), [["k", 5]]);
      await put(storage, "k", [2, 0]);
      equal(await found(), [["k", 2]]);
      await storage.putItem(N, "k", { of: "k" });
      equal(await found(), []);
      await put(storage, "k", [3, 0]);
      await storage.putItem(N, "k", { of: "k" }, { vectors: [] });
      equal(await found(), []);
      await put(storage, "k", [4, 0]);
      await storage.deleteItem(N, "k");
      equal(await found(), []);
      await storage.putItem(N, "k", { of: "k" });
      equal(await found(), []);
      await put(storage, "k", [6, 0]);
      equal(await found(), [["k", 6]]);
      await storage.deleteItems(N);
      equal(await found(), []);
    },
  );

  clause("M4 updateItem keeps the vectors unless it brings others", NEEDS, async ({ storage }) => {
    const found = async (): Promise<(readonly [string, number | undefined])[]> =>
      ranked(await storage.searchItems(N, { similarTo: { vector: [1, 0], distance: "dot" } }));
    await put(storage, "k", [1, 0]);
    await storage.updateItem(N, "k", { merge: { of: "changed" } });
    equal(await found(), [["k", 1]]);
    await storage.updateItem(N, "k", {}, { vectors: [[2, 0]] });
    equal(await found(), [["k", 2]]);
    await storage.updateItem(N, "k", {}, { vectors: [] });
    equal(await found(), []);
    await storage.updateItem(N, "new", { merge: { a: 1 } }, { vectors: [[3, 0]] });
    equal(await found(), [["new", 3]]);
  });

  clause("M4 more than 4,194,304 numbers of vectors are refused in one call", NEEDS, async ({ storage }) => {
    const vectors = times(132, () => new Float32Array(16_000).fill(1));
    const puts = times(2, (i) => ({ put: { namespace: N, key: `${i}`, value: {}, vectors } }));
    await unchanged(storage, async () => {
      const refusal = await refused(storage.batchItems(puts));
      ok(refusal.message.includes("4194304 numbers of vectors together; use several calls"), "the limit is named");
    });
  });

  clause("M4 numbers are kept as 32-bit floats, whatever array they come in", NEEDS, async ({ storage }) => {
    const numbers = [0.1, -1 / 3, 1e-42, 3.4e38];
    await put(storage, "list", numbers);
    await put(storage, "floats", Float32Array.from(numbers));
    const own = Float32Array.from(numbers);
    const putting = put(storage, "own", own);
    own.fill(0);
    await putting;
    const texts = (await recordsOf(storage)).map((record) => (record.kind === "item" ? record.vectors : undefined));
    equal(new Set(texts.map((each) => JSON.stringify(each))).size, 1, "forms of the same vector");
    const bytes = Buffer.from(present(texts[0]?.[0], "the vector"), "base64");
    equal(
      numbers.map((_, i) => bytes.readFloatLE(i * 4)),
      numbers.map(Math.fround),
    );
  });

  clause("M4 vectors below one first label have the dimension of the first of them", NEEDS, async ({ storage }) => {
    await storage.putItem(["n", "a"], "k", {}, { vectors: [[1, 0]] });
    const place = { namespace: ["n", "b"], key: "k" };
    await unchanged(storage, async () => {
      for (const vectors of [
        [[1]],
        [[1, 2, 3]],
        [
          [1, 2, 3],
          [1, 2, 3],
        ],
      ]) {
        await refused(storage.putItem(["n", "b"], "k", {}, { vectors }), `put ${label(vectors)}`);
        await refused(storage.updateItem(["n", "b"], "k", {}, { vectors }), `update ${label(vectors)}`);
        const fine = { put: { namespace: N, key: "fine", value: {} } };
        await refused(storage.batchItems([fine, { put: { ...place, value: {}, vectors } }]), "a batch");
      }
      await refused(storage.searchItems(N, { similarTo: { vector: [1] } }), "a search below the label");
      await refused(storage.searchItems(["n", "a"], { similarTo: { vector: [1, 2, 3] } }), "a deeper search");
      await refused(storage.batchItems([{ search: { prefix: N, similarTo: { vector: [1] } } }]), "in a batch");
    });
    await storage.putItem(["m"], "k", {}, { vectors: [[1, 0, 0]] });
    const found = async (vector: number[]): Promise<string[][]> =>
      (await storage.searchItems([], { similarTo: { vector } })).items.map(({ namespace }) => namespace);
    equal(await found([1, 0]), [["n", "a"]]);
    equal(await found([1, 0, 0]), [["m"]]);
    equal(await found([1]), []);
  });

  clause("M4 the dimension stays until deleteItems of the first label", NEEDS, async ({ storage }) => {
    await put(storage, "k", [1, 0]);
    await storage.deleteItem(N, "k");
    await refused(put(storage, "k", [1, 0, 0]));
    await storage.deleteItems(["n", "deeper"]);
    await refused(put(storage, "k", [1, 0, 0]));
    await storage.deleteItems(N);
    await put(storage, "k", [1, 0, 0]);
    await refused(put(storage, "k", [1, 0]));
  });

  clause("M4 a batch that fails leaves no vectors and no dimension behind", NEEDS, async ({ storage }) => {
    const place = { namespace: N, key: "k" };
    await rejects(
      "CONFLICT",
      storage.batchItems([
        { put: { ...place, value: {}, vectors: [[1, 0, 0]] } },
        { put: { ...place, value: {}, expectedVersion: 7 } },
      ]),
    );
    await rejects("CONFLICT", storage.putItem(N, "k", {}, { vectors: [[1, 0, 0]], expectedVersion: 3 }));
    await put(storage, "k", [1, 0]);
    await rejects(
      "CONFLICT",
      storage.batchItems([
        { put: { ...place, value: {}, vectors: [[0, 1]] } },
        { delete: { ...place } },
        { put: { ...place, key: "other", value: {}, vectors: [[1, 0]] } },
        { delete: { ...place, key: "other", expectedVersion: 7 } },
      ]),
    );
    const similarTo = { vector: [1, 0], distance: "dot" } as const;
    equal(ranked(await storage.searchItems(N, { similarTo })), [["k", 1]]);
  });

  clause("I2 a tenant's vectors are its own", NEEDS, async ({ storage }) => {
    const other = storage.tenant("other");
    await put(storage, "mine", [1, 0]);
    await put(other, "theirs", [1, 0, 0]);
    await put(storage.tenant("third"), "a third one's", [2, 0]);
    equal(keysOf(await storage.searchItems(N, { similarTo: { vector: [1, 0] } })), ["mine"]);
    equal(keysOf(await other.searchItems([], { similarTo: { vector: [1, 0, 0] } })), ["theirs"]);
    await other.deleteItems(N);
    equal(keysOf(await storage.searchItems([], { similarTo: { vector: [1, 0] } })), ["mine"]);
    await refused(put(storage, "k", [1, 0, 0]));
  });

  clause("M4 malformed vectors are refused", NEEDS, async ({ storage }) => {
    await put(storage, "k", [1, 0]);
    const vectors: unknown[] = [
      null,
      1,
      [1, 2],
      [[]],
      [[1, "2"]],
      [[1, Number.NaN]],
      [[1, Number.POSITIVE_INFINITY]],
      [[1, 1e39]],
      [new Float64Array(2)],
      [new Float32Array([1, Number.NaN])],
      [[1, 0], [1]],
      [new Float32Array(16_001)],
      [{ 0: 1, 1: 0, length: 2 }],
      times(1_001, () => [1, 0]),
    ];
    await unchanged(storage, async () => {
      for (const each of vectors) {
        await refused(storage.putItem(N, "k", {}, { vectors: each } as PutItemOptions), label(each));
        await refused(storage.updateItem(N, "k", {}, { vectors: each } as PutItemOptions), `update ${label(each)}`);
      }
    });
  });

  clause("P1 export and import carry vectors exactly", NEEDS, async ({ storage, openOther }) => {
    await put(storage, "k", [0.1, -2.5e-40], [3e38, 1]);
    await storage.putItem(N, "without", {});
    await storage.putItem(["m"], "k", {}, { vectors: [new Float32Array(1_536).fill(1 / 3)] });
    const records = await recordsOf(storage);
    const other = await openOther();
    equal((await other.importRecords(records)).imported.item, 3);
    equal(await recordsOf(other), records);
    const query = { similarTo: { vector: [0.1, 1] } } as const;
    equal((await other.searchItems(N, query)).items, (await storage.searchItems(N, query)).items);
    await refused(other.putItem(["m"], "new", {}, { vectors: [[1]] }));
    const replaced = records.map((each) =>
      each.kind === "item" && each.key === "k" && each.namespace[0] === "n" ? withoutVectors(each) : each,
    );
    await other.importRecords(replaced, { onConflict: "replace" });
    equal(keysOf(await other.searchItems(N, query)), []);
    await storage.importRecords(replaced, { onConflict: "skip" });
    equal(await recordsOf(storage), records);
  });

  clause("P1 records with malformed or unfit vectors are refused", NEEDS, async ({ storage }) => {
    await put(storage, "k", [1, 0]);
    const [record] = await recordsOf(storage);
    await unchanged(storage, async () => {
      const faults: unknown[] = [
        "AACAPw==",
        [],
        [""],
        ["AACAPw"],
        ["AACAPwA="],
        ["AADAfwAAAAA="],
        [[1, 0]],
        ["AACAPw==", "AACAPwAAAAA="],
        ["AACAPw=="],
      ];
      for (const vectors of faults) {
        const items = [
          { ...record, key: "fine", vectors: undefined },
          { ...record, key: "new", vectors },
        ];
        await refused(storage.importRecords(items as never), label(vectors));
      }
    });
  });
});

function withoutVectors<T extends { readonly vectors?: unknown }>({
  vectors: _vectors,
  ...record
}: T): Omit<T, "vectors"> {
  return record;
}
