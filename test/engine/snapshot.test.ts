// What a turn collects is copied: later changes do not reach it, and what a storage refuses it still refuses.
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { snapshot } from "../../src/engine/snapshot.js";

const shared = { deep: [1] };
const values: readonly (readonly [name: string, value: object, change: (value: never) => void])[] = [
  ["an object", { a: { b: 1 } }, (value: { a: object }) => Object.assign(value.a, { b: 2 })],
  [
    "an object without prototype",
    Object.assign(Object.create(null), { a: [1] }),
    (value: { a: number[] }) => value.a.push(2),
  ],
  ["a __proto__ key", JSON.parse('{"__proto__":{"x":[1]}}'), (value: object) => void Object.assign(value, { y: 1 })],
  ["an array", [[1], [2]], (value: number[][]) => value[0]?.push(3)],
  ["a Map", new Map([["k", { a: 1 }]]), (value: Map<string, { a: number }>) => value.get("k") && value.clear()],
  ["a Set", new Set([1]), (value: Set<number>) => value.add(2)],
  ["a Date", new Date(0), (value: Date) => value.setTime(1)],
  ["bytes", new Uint8Array([1, 2]), (value: Uint8Array) => value.fill(9)],
  ["a part of larger bytes", new Uint16Array([1, 2, 3]).subarray(1, 2), (value: Uint16Array) => value.fill(9)],
  ["a Buffer", Buffer.from("abc"), (value: Buffer) => value.fill(0)],
  ["a DataView", new DataView(new ArrayBuffer(2)), (value: DataView) => value.setInt8(0, 1)],
  ["an ArrayBuffer", new Uint8Array([1, 2]).buffer, (value: ArrayBuffer) => new Uint8Array(value).fill(9)],
  ["one object in two places", { x: shared, y: shared }, (value: { x: { deep: number[] } }) => value.x.deep.push(9)],
];

describe("a snapshot", () => {
  it.each(values)("of %s is equal, and stays when the original changes", (_name, value, change) => {
    const copy = snapshot(value);
    expect(isDeepStrictEqual(copy, value)).toBe(true);
    change(value as never);
    expect(isDeepStrictEqual(copy, value)).toBe(false);
  });

  it("keeps scalars, and one object in two places as one", () => {
    for (const value of [undefined, null, 1n, Number.NaN, -0, "x", true]) expect(snapshot(value)).toBe(value);
    const copy = snapshot({ x: shared, y: shared }) as { x: object; y: object };
    expect(copy.x).toBe(copy.y);
  });

  class Instance {
    field = 1;
  }
  const circle: { self?: object } = {};
  circle.self = circle;
  const refused: readonly (readonly [string, unknown])[] = [
    ["a function", () => 1],
    ["an instance of a class", new Instance()],
    ["a symbol key", { [Symbol("s")]: 1 }],
    ["a circle", circle],
    ["a hole in an array", Array(3)],
    ["an array with further properties", Object.assign([1], { extra: 1 })],
    ["a Date with further properties", Object.assign(new Date(0), { extra: 1 })],
    ["bytes with further properties", Object.assign(new Uint8Array(1), { extra: 1 })],
    ["a promise", Promise.resolve(1)],
    ["a WeakMap", new WeakMap()],
  ];
  it.each(refused)("does not turn %s into something that a storage takes", async (_name, value) => {
    const storage = memoryStorage();
    const refusal = { code: "SERIALIZATION" };
    await expect(storage.storeCheckpoint("t", "1", { value })).rejects.toMatchObject(refusal);
    await expect(storage.storeCheckpoint("t", "1", snapshot({ value }))).rejects.toMatchObject(refusal);
  });
});
