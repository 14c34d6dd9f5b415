// Items with vectors side by side: whatever is put, replaced and deleted, a view shows the vectors of its moment and no others.
import fc from "fast-check";
import { expect, it } from "vitest";
import { type KeptItem, KeptItems } from "../../../src/backends/memory/kept-items.js";
import { compareCodePoints } from "../../../src/domain/identifiers.js";
import { comparableVectors } from "../../../src/domain/nearest.js";

type Shown = readonly [place: string, version: number, numbers: readonly number[]];

function shownOf(items: KeptItems, prefix: readonly string[]): () => Shown[] {
  const { parts, isThere } = items.vectorsBelow(prefix);
  return () => {
    const shown: Shown[] = [];
    for (const { dimensions, values, owners, rows } of parts) {
      for (let row = 0; row < rows; row++) {
        const owner = owners[row] as KeptItem;
        const numbers = [...values.subarray(row * dimensions, (row + 1) * dimensions)];
        const place = [...owner.namespace, owner.key].join("/");
        if (isThere(owner)) shown.push([place, owner.version, numbers]);
      }
    }
    return shown.sort(byPlace);
  };
}

function byPlace(a: Shown, b: Shown): number {
  return compareCodePoints(a[0], b[0]) || (a[2][0] as number) - (b[2][0] as number);
}

const namespace = fc.constantFrom(["a"], ["a", "b"], ["a", "c"], ["d"]);
const place = fc.record({ namespace, key: fc.nat(30).map(String) });
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("put" as const), place, count: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("again" as const), place }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteBelow" as const), prefix: namespace }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("view" as const), prefix: fc.oneof(namespace, fc.constant([])) }),
  },
);

it("views show what was there, also when they are looked at long after", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      const items = new KeptItems();
      const model = new Map<string, readonly Shown[]>();
      const modelBelow = (prefix: readonly string[]): Shown[] =>
        [...model]
          .filter(([at]) => prefix.length === 0 || at.startsWith(`${prefix.join("/")}/`))
          .flatMap(([, rows]) => rows)
          .sort(byPlace);
      const views: { readonly shown: () => Shown[]; readonly expected: Shown[] }[] = [];
      let version = 0;
      for (const each of [...steps, { kind: "view" as const, prefix: [] }]) {
        version += 1;
        if (each.kind === "view") {
          views.push({ shown: shownOf(items, each.prefix), expected: modelBelow(each.prefix) });
          continue;
        }
        if (each.kind === "deleteBelow") {
          items.deleteBelow(each.prefix);
          for (const [at] of [...model]) if (at.startsWith(`${each.prefix.join("/")}/`)) model.delete(at);
          continue;
        }
        const at = [...each.place.namespace, each.place.key].join("/");
        const stored = items.get(each.place);
        if (each.kind === "delete") {
          items.delete(each.place);
          model.delete(at);
        } else if (each.kind === "again") {
          // The vectors stay with another version of the item.
          if (stored === undefined) continue;
          items.put({ ...stored, version });
          const now = version;
          model.set(
            at,
            (model.get(at) ?? []).map(([place_, , numbers]) => [place_, now, numbers]),
          );
        } else {
          const rows = Array.from({ length: each.count }, (_, i) => [version, i]);
          const values = Float32Array.from(rows.flat());
          const vectors = each.count === 0 ? null : comparableVectors({ dimensions: 2, values });
          items.put({
            ...each.place,
            value: "{}",
            version,
            createdAt: 0,
            updatedAt: 0,
            ttlMs: null,
            expiresAt: null,
            vectors,
          });
          const now = version;
          model.set(
            at,
            rows.map((numbers) => [at, now, numbers] as const),
          );
        }
      }
      for (const { shown, expected } of views) {
        const sorted = (list: readonly Shown[]): string[] => list.map((each) => JSON.stringify(each)).sort();
        expect(sorted(shown())).toEqual(sorted(expected));
      }
      for (const item of items.scan()) {
        const at = [...item.namespace, item.key].join("/");
        expect([...(item.vectors?.values ?? [])]).toEqual((model.get(at) ?? []).flatMap(([, , numbers]) => numbers));
      }
    }),
    { numRuns: 150 },
  );
});

it("an item that is replaced again and again takes no more room", () => {
  const items = new KeptItems();
  for (let version = 1; version <= 10_000; version++) {
    for (const key of ["a", "b", "c"]) {
      const vectors = comparableVectors({ dimensions: 2, values: Float32Array.of(version, 1) });
      items.put({
        namespace: ["n"],
        key,
        value: "{}",
        version,
        createdAt: 0,
        updatedAt: 0,
        ttlMs: null,
        expiresAt: null,
        vectors,
      });
    }
  }
  const { parts } = items.vectorsBelow(["n"]);
  expect(parts.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(12);
});
