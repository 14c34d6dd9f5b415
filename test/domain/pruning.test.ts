// Pruning keeps what K6 says, compared with the rule written down naively.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PrunableCheckpoint, PruneRule } from "../../src/domain/pruning.js";
import { neededOfNamed, planPrune } from "../../src/domain/pruning.js";

const NOW = 1_000_000;

function checkpoint(seq: number, over: Partial<PrunableCheckpoint> = {}): PrunableCheckpoint {
  return {
    namespace: "",
    checkpointId: `c${seq}`,
    parentId: seq > 1 ? `c${seq - 1}` : null,
    needsParent: false,
    seq,
    createdAt: NOW - 1000 + seq,
    hasWrites: false,
    ...over,
  };
}

const chain = (length: number, over: (seq: number) => Partial<PrunableCheckpoint> = () => ({})) =>
  Array.from({ length }, (_, i) => checkpoint(i + 1, over(i + 1)));

const removed = (checkpoints: readonly PrunableCheckpoint[], rule: Partial<PruneRule>) =>
  planPrune(checkpoints, { keepLast: null, maxAgeMs: null, ...rule }, NOW).map((each) => each.checkpointId);

describe("planPrune (K6)", () => {
  it("keeps the newest keepLast by seq, whatever the order of the input and the clock say", () => {
    const shuffled = [3, 1, 5, 2, 4].map((seq) => checkpoint(seq, { createdAt: NOW - seq }));
    expect(removed(shuffled, { keepLast: 2 })).toEqual(["c3", "c1", "c2"]);
  });

  it("counts every namespace for itself and keeps every head", () => {
    const both = [...chain(3), ...chain(2, () => ({ namespace: "child" }))];
    expect(planPrune(both, { keepLast: 1, maxAgeMs: null }, NOW).map((each) => [each.namespace, each.seq])).toEqual([
      ["", 1],
      ["", 2],
      ["child", 1],
    ]);
    expect(removed([checkpoint(1, { createdAt: 0 })], { maxAgeMs: 1 })).toEqual([]);
  });

  it("lets go by age from exactly maxAgeMs on", () => {
    const old = [checkpoint(1, { createdAt: NOW - 100 }), checkpoint(2, { createdAt: NOW - 99 }), checkpoint(3)];
    expect(removed(old, { maxAgeMs: 100 })).toEqual(["c1"]);
  });

  it("removes only what both conditions let go", () => {
    const ages = chain(4, (seq) => ({ createdAt: seq < 3 ? 0 : NOW }));
    expect(removed(ages, { keepLast: 3, maxAgeMs: 10 })).toEqual(["c1"]);
    expect(removed(ages, { keepLast: 1, maxAgeMs: 10 })).toEqual(["c1", "c2"]);
  });

  it("removes nothing without a condition", () => {
    expect(removed(chain(5), {})).toEqual([]);
  });

  it("keeps open interrupts: writes, and no checkpoint that goes on from there", () => {
    const fork = [checkpoint(1), checkpoint(2, { hasWrites: true }), checkpoint(3, { parentId: "c1" })];
    expect(removed(fork, { keepLast: 1 })).toEqual(["c1"]);
    const continued = chain(3, () => ({ hasWrites: true }));
    expect(removed(continued, { keepLast: 1 })).toEqual(["c1", "c2"]);
  });

  it("looks for what goes on in the same namespace only", () => {
    const twoNamespaces = [
      checkpoint(1, { hasWrites: true }),
      checkpoint(2, { parentId: null }),
      checkpoint(3, { namespace: "child", parentId: "c1" }),
    ];
    expect(removed(twoNamespaces, { keepLast: 1 })).toEqual([]);
  });

  it("keeps parent by parent what a kept one needs, and no further", () => {
    const needing = chain(5, (seq) => ({ needsParent: seq >= 4 }));
    expect(removed(needing, { keepLast: 1 })).toEqual(["c1", "c2"]);
  });

  it("bears a parent that is absent, is the checkpoint itself, or closes a circle", () => {
    const odd = [
      checkpoint(1, { parentId: "c2", needsParent: true }),
      checkpoint(2, { parentId: "c1", needsParent: true }),
      checkpoint(3, { parentId: "c3", needsParent: true, hasWrites: true }),
      checkpoint(4, { parentId: "gone", needsParent: true }),
    ];
    expect(removed(odd, { keepLast: 1 })).toEqual(["c1", "c2"]);
    const circle = [...odd.slice(0, 2), checkpoint(5, { parentId: "c2", needsParent: true })];
    expect(removed(circle, { keepLast: 1 })).toEqual([]);
  });

  it("agrees with the naive rule", () => {
    fc.assert(
      fc.property(threads, rules, (checkpoints, rule) => {
        expect(new Set(planPrune(checkpoints, rule, NOW))).toEqual(new Set(naivePrune(checkpoints, rule)));
      }),
      { numRuns: 500 },
    );
  });

  it("bears one long chain of need: 200,000 checkpoints", () => {
    const long = chain(200_000, () => ({ needsParent: true }));
    expect(removed(long, { keepLast: 1 })).toEqual([]);
  });
});

const threads: fc.Arbitrary<PrunableCheckpoint[]> = fc
  .uniqueArray(
    fc.record({
      namespace: fc.constantFrom("", "a"),
      id: fc.nat(12),
      parent: fc.option(fc.nat(12), { nil: null }),
      needsParent: fc.boolean(),
      age: fc.nat(20),
      hasWrites: fc.boolean(),
      order: fc.nat(),
    }),
    { selector: (each) => `${each.namespace}/${each.id}`, maxLength: 20 },
  )
  .map((drawn) =>
    drawn
      .map((each, i) => ({
        namespace: each.namespace,
        checkpointId: `c${each.id}`,
        parentId: each.parent === null ? null : `c${each.parent}`,
        needsParent: each.needsParent,
        seq: i + 1,
        createdAt: NOW - each.age,
        hasWrites: each.hasWrites,
        order: each.order,
      }))
      .sort((a, b) => a.order - b.order),
  );

const rules: fc.Arbitrary<PruneRule> = fc.record({
  keepLast: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }),
  maxAgeMs: fc.option(fc.nat(20), { nil: null }),
});

/** The sentence of K6, checkpoint by checkpoint, until nothing more is to be kept. */
function naivePrune(all: readonly PrunableCheckpoint[], { keepLast, maxAgeMs }: PruneRule): PrunableCheckpoint[] {
  const siblings = (each: PrunableCheckpoint) => all.filter((other) => other.namespace === each.namespace);
  const kept = new Set(
    all.filter((each) => {
      const newer = siblings(each).filter((other) => other.seq > each.seq).length;
      const recent = keepLast !== null && newer < keepLast;
      const young = maxAgeMs !== null && NOW - each.createdAt < maxAgeMs;
      const hasChild = siblings(each).some((other) => other !== each && other.parentId === each.checkpointId);
      const unconditional = keepLast === null && maxAgeMs === null;
      return newer === 0 || recent || young || unconditional || (each.hasWrites && !hasChild);
    }),
  );
  for (let size = -1; size !== kept.size; ) {
    size = kept.size;
    for (const each of [...kept]) {
      const parent = siblings(each).find((other) => each.needsParent && other.checkpointId === each.parentId);
      if (parent !== undefined) kept.add(parent);
    }
  }
  return all.filter((each) => !kept.has(each));
}

describe("neededOfNamed (K9)", () => {
  const needed = (named: readonly string[], needs: readonly (readonly [child: string, parent: string])[]) => [
    ...neededOfNamed(
      new Set(named),
      needs.map(([checkpointId, parentId]) => ({ checkpointId, parentId })),
    ),
  ];

  it("keeps what one outside needs, and what that needs, in whatever order the needs come", () => {
    const needs = [
      ["b", "a"],
      ["c", "b"],
      ["d", "c"],
    ] as const;
    expect(needed(["a", "b", "c"], needs)).toEqual(["c", "b", "a"]);
    expect(needed(["a", "b", "c"], needs.toReversed())).toEqual(["c", "b", "a"]);
    expect(needed(["a", "c"], needs)).toEqual(["a", "c"]);
    expect(needed(["a", "b", "c", "d"], needs)).toEqual([]);
  });

  it("keeps nothing for a need that is named itself, also in a circle", () => {
    expect(needed(["a"], [["a", "a"]])).toEqual([]);
    const circle = [
      ["a", "b"],
      ["b", "a"],
    ] as const;
    expect(needed(["a", "b"], circle)).toEqual([]);
    expect(needed(["a"], circle)).toEqual(["a"]);
  });

  it("is the rule written down naively, on random threads", () => {
    const id = fc.integer({ min: 0, max: 7 }).map(String);
    const parents = fc.dictionary(id, id, { noNullPrototype: true });
    fc.assert(
      fc.property(parents, fc.uniqueArray(id), (parentOf, named) => {
        const stays = new Set<string>();
        for (let round = 0; round < 10; round++) {
          for (const [child, parent] of Object.entries(parentOf)) {
            if ((!named.includes(child) || stays.has(child)) && named.includes(parent)) stays.add(parent);
          }
        }
        expect(new Set(needed(named, Object.entries(parentOf)))).toEqual(stays);
      }),
    );
  });

  it("bears one long chain of need: 200,000 checkpoints", () => {
    const needs = Array.from({ length: 200_000 }, (_, i) => [`c${i + 1}`, `c${i}`] as const);
    expect(needed(["c0", "c1"], needs)).toEqual(["c1", "c0"]);
  });
});
