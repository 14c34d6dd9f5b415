// What a process remembers of the blocks of a thread, so that a long state sends what is new.
import { expect, it } from "vitest";
import { KnownBlocks } from "../../../src/domain/segments/known-blocks.js";

const names = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `block ${from + i}`);

it("of too many names those go first that were needed longest ago", () => {
  const known = new KnownBlocks();
  known.remember("acme", "t", ["top", ...names(0, 4_000)]);
  known.remember("acme", "t", [...names(4_000, 90), "top"]);
  known.remember("acme", "t", names(5_000, 10));
  const left = known.of("acme", "t");
  expect(left.size).toBeLessThan(4_101);
  expect(["top", "block 5009", "block 0"].map((name) => left.has(name))).toEqual([true, true, false]);
});

it("tenants and threads are apart, and a thread that is forgotten leaves nothing", () => {
  const known = new KnownBlocks();
  known.remember("acme", "t", ["a"]);
  known.remember("acme", "u", ["b"]);
  known.remember("globex", "t", ["c"]);
  expect([...known.of("acme", "t").keys()]).toEqual(["a"]);
  known.forget("acme", "t");
  expect([...known.of("acme", "t").keys()]).toEqual([]);
  expect([...known.of("acme", "u").keys()]).toEqual(["b"]);
  expect([...known.of("globex", "t").keys()]).toEqual(["c"]);
});

it("each name comes with the node that needed it the last time, or with itself", () => {
  const known = new KnownBlocks();
  known.remember("acme", "t", ["a", "b", "root"], new Map([["a", "root"]]));
  expect([...known.of("acme", "t")]).toEqual([
    ["a", "root"],
    ["b", "b"],
    ["root", "root"],
  ]);
  known.remember("acme", "t", ["a", "b"], new Map([["b", "later"]]));
  expect([...known.of("acme", "t")]).toEqual([
    ["root", "root"],
    ["a", "a"],
    ["b", "later"],
  ]);
});
