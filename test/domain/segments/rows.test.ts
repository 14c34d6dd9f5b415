// Splitting texts with rows, lists that grow: the same to the byte as splitting their parts, whatever grew from what, and stands around.
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, it } from "vitest";
import { listGoingOn, prepareValue } from "../../../src/domain/codec/codec.js";
import { EncodedText, type Stretch } from "../../../src/domain/codec/encoded-text.js";
import { PreparedValue } from "../../../src/domain/codec/prepared-value.js";
import type { Outline } from "../../../src/domain/segments/outline.js";
import { restoreState } from "../../../src/domain/segments/restore.js";
import { type SplitState, splitState } from "../../../src/domain/segments/split.js";
import { prose } from "./prose.js";

/** Everything that a store sees of a split. */
function shown(state: SplitState): unknown {
  const blocks = [...state.newBlocks(() => false)];
  return {
    manifest: state.manifest,
    blocks: blocks.map(({ name, data, children }) => [name, Buffer.from(data).toString("latin1"), children.join()]),
  };
}

const flat = (text: EncodedText): EncodedText => new EncodedText([text.parts], text.bytes);

/** Short ones are no pieces, long ones are several. */
const LENGTHS = [5, 60, 400, 700, 1_500, 20_000];
const message = (seed: number): PreparedValue => prepareValue(prose(seed, LENGTHS[seed % LENGTHS.length] as number));

/** Texts of a step beside the lists; the last ones join lists, or are cut themselves. */
const BESIDE = ['{"id":1,"a":[', "]}", '],"b":[', "{", prose(1, 500), "", ",", prose(2, 5_000)];

const rowOf = (list: PreparedValue): Stretch => PreparedValue.textsOf(list).tagged.row ?? ["[]"];

it("a text with rows is split as its parts are, with any outline, and given back", { timeout: 120_000 }, () => {
  const seeds = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 40 });
  const step = fc.record({
    from: fc.nat(100),
    added: seeds,
    beside: fc.array(fc.nat(BESIDE.length - 1), { minLength: 3, maxLength: 3 }),
    second: fc.nat(100),
    outline: fc.nat(3),
  });
  fc.assert(
    fc.property(seeds, fc.array(step, { minLength: 1, maxLength: 10 }), (first, steps) => {
      const lists = [listGoingOn(first.map(message))];
      const outlines: (Outline | null)[] = [null];
      for (const { from, added, beside, second, outline } of steps) {
        // Most go on from the last one; others make a copy of the row.
        const before = lists[from > 60 ? from % lists.length : lists.length - 1] as PreparedValue;
        lists.push(listGoingOn(added.map(message), before));
        const [head = "", middle = "", tail = ""] = beside.map((i) => BESIDE[i] as string);
        const rows = [lists.at(-1), lists[second % lists.length]].map((list) => rowOf(list as PreparedValue));
        const stretches = [[head], rows[0], [middle], rows[1], [tail]] as Stretch[];
        const text = new EncodedText(stretches, Buffer.byteLength(String(new EncodedText(stretches, 0))));
        const state = splitState(text, outlines.at(-1 - outline) ?? null);
        expect(shown(state)).toEqual(shown(splitState(flat(text))));
        const blocks = new Map([...state.newBlocks(() => false)].map(({ name, data }) => [name, data]));
        expect(restoreState(state.manifest, (names) => names.map((name) => blocks.get(name)))).toBe(String(text));
        outlines.push(state.outline);
      }
    }),
    { numRuns: 40 },
  );
});

it("a list that goes on leaves the text before what it was", () => {
  const list = listGoingOn([1, 2, 3].map(message));
  const { tagged } = PreparedValue.textsOf(list);
  const [text, split] = [String(tagged), shown(splitState(tagged))];
  const longer = listGoingOn([4].map(message), list);
  const other = listGoingOn([5].map(message), list);
  for (const each of [longer, other]) splitState(PreparedValue.textsOf(each).tagged);
  expect([String(tagged), shown(splitState(tagged))]).toEqual([text, split]);
  expect(String(PreparedValue.textsOf(other).tagged)).toBe(
    String(PreparedValue.textsOf(listGoingOn([1, 2, 3, 5].map(message))).tagged),
  );
});

it("a list that goes on costs what is new of it", () => {
  const list = listGoingOn(Array.from({ length: 2_000 }, (_, i) => message(2 + 6 * i)));
  const first = splitState(PreparedValue.textsOf(list).tagged);
  const longer = listGoingOn([message(9_000)], list);
  const stored = new Set([...first.newBlocks(() => false)].map(({ name }) => name));
  const second = splitState(PreparedValue.textsOf(longer).tagged, first.outline);
  expect(second.newBytes).toBeLessThan(3_000);
  let asked = 0;
  const added = [
    ...second.newBlocks((name) => {
      asked += 1;
      return stored.has(name);
    }),
  ];
  expect(added.length).toBeLessThan(12);
  expect(asked).toBeLessThan(30);
});
