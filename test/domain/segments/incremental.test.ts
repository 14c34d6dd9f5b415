// Splitting with the outline of another state: the same to the byte as splitting from nothing, whatever the parts and the outline.
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import { blockName } from "../../../src/domain/segments/block.js";
import type { Child } from "../../../src/domain/segments/items.js";
import type { Outline } from "../../../src/domain/segments/outline.js";
import { restoreState } from "../../../src/domain/segments/restore.js";
import { type SplitState, splitState } from "../../../src/domain/segments/split.js";
import { byFirst, type NodesByFirst, Tree, type TreeNode } from "../../../src/domain/segments/tree.js";
import { prose } from "./prose.js";

const encoded = (parts: readonly string[]): EncodedText => new EncodedText([parts], Buffer.byteLength(parts.join("")));

/** Everything that a store sees of a split. */
function shown(state: SplitState): unknown {
  const blocks = [...state.newBlocks(() => false)];
  return {
    manifest: state.manifest,
    root: state.root,
    blocks: blocks.map(({ name, data, children }) => [name, Buffer.from(data).toString("latin1"), children.join()]),
  };
}

const PARTS: readonly ((seed: number) => string)[] = [
  () => ",",
  () => "",
  (seed) => prose(seed, 750),
  (seed) => prose(seed, 750),
  (seed) => prose(seed, 1 + (seed % 3_000)),
  (seed) => "漢字é\u{1f600}".repeat(1 + (seed % 300)),
  (seed) => prose(seed, 20_000 + (seed % 30_000)),
  (seed) => "x".repeat(seed % 40_000),
  (seed) => `${prose(seed, 30)}\u{1f600}`,
];

const part = (kind: number, seed: number): string => (PARTS[kind % PARTS.length] as (seed: number) => string)(seed);

/** Several parts, as an agent's step brings them. */
const some = (seed: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => [prose(seed * 100 + i, 300 + ((seed * 37 + i * 91) % 1_200)), ","]).flat();

type Edit = (parts: readonly string[], at: number, seed: number) => string[];
const EDITS: Record<string, Edit> = {
  step: (parts, _at, seed) => [`{"id":"${seed}"`, ...parts.slice(1, -1), ...some(seed, 2), `]}${seed}`],
  append: (parts, _at, seed) => [...parts, ...some(seed, 1 + (seed % 30))],
  insert: (parts, at, seed) => parts.toSpliced(at, 0, part(seed, seed)),
  insertSome: (parts, at, seed) => parts.toSpliced(at, 0, ...some(seed, 1 + (seed % 10))),
  remove: (parts, at) => parts.toSpliced(at, 1),
  removeSome: (parts, at, seed) => parts.toSpliced(at, seed % 20),
  replace: (parts, at, seed) => parts.toSpliced(at, 1, part(seed >> 3, seed)),
  editLetter: (parts, at) => parts.map((each, i) => (i === at ? `${[...each].slice(1).join("")}Z` : each)),
  move: (parts, at) => [...parts.slice(at), ...parts.slice(0, at)],
  reverse: (parts) => parts.toReversed(),
  double: (parts) => (parts.length > 150 ? [...parts] : [...parts, ...parts]),
  keepHead: (parts, at) => parts.slice(0, at),
  keepTail: (parts, at) => parts.slice(at),
  divide: (parts, at, seed) => {
    const letters = [...(parts[at] ?? "")];
    const middle = seed % (letters.length + 1);
    return parts.toSpliced(at, 1, letters.slice(0, middle).join(""), letters.slice(middle).join(""));
  },
  unite: (parts, at) => parts.toSpliced(at, 2, parts.slice(at, at + 2).join("")),
  uniteAll: (parts) => [parts.join("")],
  copyStrings: (parts) => parts.map((each) => Buffer.from(each, "utf16le").toString("utf16le")),
};

it("a tree with another one before it is the same tree", () => {
  const child = fc.record({ name: fc.nat(60).map((i) => blockName(Buffer.from([i]))), comma: fc.boolean() });
  const children = fc.array(
    child.map((each) => ({ ...each, isNode: false })),
    { minLength: 1, maxLength: 300 },
  );
  const tree = (list: readonly Child[], before: NodesByFirst = new Map()) => {
    const nodes: TreeNode[] = [];
    const grown = new Tree(before, (node) => nodes.push(node));
    for (const each of list) grown.add(each);
    return { open: grown.children, nodes };
  };
  fc.assert(
    fc.property(children, children, fc.nat(300), fc.nat(300), (all, others, from, to) => {
      const alone = tree(all);
      for (const before of [all.slice(0, to), all.slice(from), others, [...all.slice(0, from), ...others], all]) {
        expect(tree(all, byFirst(tree(before).nodes))).toEqual(alone);
      }
    }),
  );
});

describe("a split with an outline", () => {
  it("is that of the text alone, and gives it back, for every sequence of edits", { timeout: 120_000 }, () => {
    const step = fc.tuple(fc.constantFrom(...Object.keys(EDITS)), fc.nat(10_000), fc.nat(100_000), fc.nat(3));
    const start = fc.array(fc.tuple(fc.nat(20), fc.nat(100_000)), { maxLength: 12 });
    fc.assert(
      fc.property(start, fc.nat(120), fc.array(step, { minLength: 1, maxLength: 12 }), (first, messages, steps) => {
        let parts = ["{", ...some(messages, messages), ...first.map(([kind, seed]) => part(kind, seed)), "}"];
        const outlines: (Outline | null)[] = [splitState(encoded(parts)).outline];
        for (const [name, at, seed, back] of steps) {
          parts = (EDITS[name] as Edit)(parts, parts.length === 0 ? 0 : at % parts.length, seed);
          const text = encoded(parts);
          const state = splitState(text, outlines.at(-1 - back) ?? null);
          expect(shown(state)).toEqual(shown(splitState(text)));
          const blocks = new Map([...state.newBlocks(() => false)].map(({ name, data }) => [name, data]));
          expect(restoreState(state.manifest, (names) => names.map((name) => blocks.get(name)))).toBe(String(text));
          outlines.push(state.outline);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("looks at what is new: few names are asked for, and few blocks are new", () => {
    const messages = some(7, 2_000);
    const stored = new Set<string>();
    let asked = 0;
    const put = (state: SplitState): number => {
      asked = 0;
      const isStored = (name: string): boolean => {
        asked += 1;
        return stored.has(name);
      };
      const added = [...state.newBlocks(isStored)].map(({ name }) => name);
      for (const name of added) stored.add(name);
      return added.length;
    };
    const first = splitState(encoded(['{"id":1', ...messages, "]}1"]));
    put(first);
    const second = splitState(encoded(['{"id":2', ...messages, ...some(8, 2), "]}2"]), first.outline);
    expect(put(second)).toBeLessThan(16);
    expect(asked).toBeLessThan(30);
  });

  it("stores all again in a store that lost all, or some nodes with what they need alone", () => {
    const messages = some(7, 1_000);
    const first = splitState(encoded(['{"id":1', ...messages]));
    const second = splitState(encoded(['{"id":2', ...messages, ...some(9, 2)]), first.outline);
    const all = [...first.newBlocks(() => false)];
    for (const lost of [all, all.slice(0, 1), all.slice(0, 40), all.slice(0, all.length >> 1)]) {
      const gone = new Set(lost.map(({ name }) => name));
      const store = new Map(all.filter(({ name }) => !gone.has(name)).map(({ name, data }) => [name, data]));
      // As stores do: what is new is there at once, while the walk goes on.
      for (const { name, data } of second.newBlocks((name) => store.has(name))) store.set(name, data);
      const text = restoreState(second.manifest, (names) => names.map((name) => store.get(name)));
      expect(text).toBe(['{"id":2', ...messages, ...some(9, 2)].join(""));
    }
  });

  it("asks for each block where the text before was never stored, or is gone", () => {
    const messages = some(7, 100);
    const first = splitState(encoded(['{"id":1', ...messages]));
    const second = splitState(encoded(['{"id":2', ...messages]), first.outline);
    expect([...second.newBlocks(() => false)]).toEqual([
      ...splitState(encoded(['{"id":2', ...messages])).newBlocks(() => false),
    ]);
  });
});
