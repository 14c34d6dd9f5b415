// What one call is given is counted together: the work at once, what is written on tapes, metadata, names and numbers.
import { describe, expect, it } from "vitest";
import { InvalidArgumentError, SerializationError } from "../../src/contract/errors.js";
import { encodeValue, takeText, takeValue, ValueSnapshot } from "../../src/domain/codec/codec.js";
import { MAX_CONTAINERS } from "../../src/domain/codec/format.js";
import { Intake } from "../../src/domain/intake.js";
import { parseOperation } from "../../src/domain/item-arguments.js";
import { takeItemValue, takeMerge } from "../../src/domain/item-values.js";
import { parseMessage } from "../../src/domain/messages.js";
import { encodeMetadata, MetadataSnapshot } from "../../src/domain/metadata.js";
import { parseNewSessions } from "../../src/domain/session-arguments.js";
import { runAtOnce } from "../../src/domain/slices.js";
import { parseVectors } from "../../src/domain/vectors.js";

const MB = 1024 * 1024;

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const textOf = (taken: string | ValueSnapshot | MetadataSnapshot): string =>
  typeof taken === "string" ? taken : String(runAtOnce(taken.encode()));

const KINDS: readonly (readonly [name: string, make: (i: number) => unknown])[] = [
  ["texts", (i) => `${i} é `.repeat(3_000)],
  ["lists of numbers", (i) => times(3_000, (k) => i + k / 3)],
  ["plain objects", (i) => times(60, (k) => ({ id: i, name: `n${k}`, tags: ["a", `b${k}`], at: { x: k } }))],
  ["objects with keys of their own", (i) => times(40, (k) => ({ [`k${i}-${k}`]: i }))],
  [
    "what JSON has no text for",
    (i) => ({ at: new Date(i), map: new Map([[i, new Set([1n])]]), text: "x".repeat(20_000) }),
  ],
  ["documents' look-alikes", (i) => ({ $waystone: 1, value: "y".repeat(20_000), $: i })],
];

describe("the values of one call", () => {
  it.each(KINDS)("%s: the first are encoded at once, those behind in steps, with the same texts", (_name, make) => {
    const values = times(400, make);
    const intake = new Intake();
    const taken = values.map((value) => takeValue(value, intake));
    const first = taken.findIndex((each) => each instanceof ValueSnapshot);
    expect(first).toBeGreaterThan(3);
    expect(first).toBeLessThan(399);
    expect(taken.slice(first + 1).every((each) => each instanceof ValueSnapshot)).toBe(true);
    expect(taken.map(textOf)).toEqual(values.map((value) => encodeValue(value)));
  });

  it("are what they were when they were given", () => {
    const values = times(400, (i) => ({ list: times(1_000, () => `${i}`), at: { i } }));
    const before = values.map((value) => encodeValue(value));
    const intake = new Intake();
    const taken = values.map((value) => takeValue(value, intake));
    for (const value of values) {
      value.list.length = 0;
      value.at.i = -1;
    }
    expect(taken.map(textOf)).toEqual(before);
  });

  it("little ones are always encoded at once", () => {
    const intake = new Intake();
    const taken = times(20_000, (i) => takeValue({ role: "user", i }, intake));
    expect(intake.isSpent).toBe(true);
    expect(taken.every((each) => typeof each === "string")).toBe(true);
  });

  it.each<[string, (i: number) => unknown, number, RegExp]>([
    [
      "arrays and objects",
      () => times(MAX_CONTAINERS / 4, () => []),
      4,
      /^\$\[\d+\]: values of more than 120000 arrays and objects in one call rather than several cannot be stored$/,
    ],
    [
      "elements and properties",
      () => times(400_000, () => "a"),
      4,
      /^\$: values of more than 1500000 elements and properties in one call rather than several cannot be stored$/,
    ],
    [
      "characters",
      () => "x".repeat(16 * MB),
      5,
      /^\$: values of more than 67108864 bytes in one call rather than several cannot be stored$/,
    ],
  ])("may have so many %s together", (_name, make, most, message) => {
    const intake = new Intake();
    const values = times(most, make);
    for (const value of values.slice(0, -1)) expect(takeText(value, intake)).toBeInstanceOf(ValueSnapshot);
    const last = values.at(-1);
    expect(() => takeText(last, intake)).toThrow(message);
    expect(() => takeText(last, intake)).toThrow(SerializationError);
    expect(takeText(last)).toBeInstanceOf(ValueSnapshot);
  });

  it("messages are counted with their metadata", () => {
    const intake = new Intake();
    const message = { role: "user", content: "x".repeat(10_000), metadata: { text: "y".repeat(100_000) } };
    const taken = times(20, (i) => parseMessage(message, `messages[${i}]`, intake).value);
    expect(taken[0]).toBeTypeOf("string");
    expect(taken.at(-1)).toBeInstanceOf(ValueSnapshot);
  });

  it("items of a batch are counted together, and what updates merge", () => {
    const value = { text: "x".repeat(20_000) };
    for (const operation of [
      { put: { namespace: ["n"], key: "k", value } },
      { update: { namespace: ["n"], key: "k", merge: value } },
    ]) {
      const intake = new Intake();
      const taken = times(100, (i) => parseOperation(operation, `operations[${i}]`, takeItemValue, takeMerge, intake));
      const given = (step: (typeof taken)[number] | undefined): unknown =>
        step?.kind === "put" ? step.value : step?.kind === "update" ? step.merge : undefined;
      expect(given(taken[0])).not.toBeInstanceOf(MetadataSnapshot);
      expect(given(taken.at(-1))).toBeInstanceOf(MetadataSnapshot);
      expect(textOf(given(taken.at(-1)) as MetadataSnapshot)).toBe(JSON.stringify(value));
    }
  });
});

describe("one call may have", () => {
  it("4 MiB of metadata", () => {
    const sessions = (count: number) =>
      times(count, (i) => ({ sessionId: `s${i}`, userId: "u", metadata: { a: "x".repeat(MB - 8) } }));
    expect(parseNewSessions(sessions(4))).toHaveLength(4);
    const refusal =
      /^sessions\[4\]\.metadata: the metadata of one call must have at most 4194304 bytes of JSON text; use several calls$/;
    expect(() => parseNewSessions(sessions(5))).toThrow(refusal);
    expect(() => parseNewSessions(sessions(5))).toThrow(InvalidArgumentError);
  });

  it("100,000 parts of metadata, however many things it is of", () => {
    const intake = new Intake();
    const half = { list: times(49_998, () => 1) };
    encodeMetadata(half, "a", intake);
    encodeMetadata({ list: times(49_995, () => 1) }, "b", intake);
    const message =
      /: the metadata of one call must have at most 100000 arrays and objects, elements and properties; use several calls$/;
    expect(() => encodeMetadata({ a: 1, b: [] }, "c", intake)).toThrow(message);
    expect(() => encodeMetadata({ list: times(100_000, () => 1) })).toThrow(message);
  });

  it("10,000 conditions, keys to remove and keys to increment in a batch of items", () => {
    const parse = (intake: Intake, operation: unknown) =>
      parseOperation(operation, "operations[0]", takeItemValue, takeMerge, intake);
    const intake = new Intake();
    const filter = Object.fromEntries(times(1_000, (i) => [`k${i}`, i]));
    for (const verb of ["search", "count"]) {
      for (let i = 0; i < 4; i++) parse(intake, { [verb]: { prefix: ["n"], filter } });
    }
    const update = { namespace: ["n"], key: "k", unset: times(1_000, (i) => `u${i}`), increment: filter };
    parse(intake, { update });
    const message = /one call may have at most 10000 conditions and keys together; use several calls$/;
    expect(() => parse(intake, { count: { prefix: ["n"], filter: { a: 1 } } })).toThrow(message);
    expect(() => parse(intake, { update: { ...update, unset: ["a"], increment: {} } })).toThrow(message);
  });

  it("4,194,304 numbers of vectors", () => {
    const intake = new Intake();
    const vectors = times(131, () => new Float32Array(16_000));
    parseVectors(vectors, "a", intake);
    parseVectors(vectors, "b", intake);
    const message = /^c\[0\]: one call may have at most 4194304 numbers of vectors together; use several calls$/;
    expect(() => parseVectors([new Float32Array(16_000)], "c", intake)).toThrow(message);
    expect(() =>
      parseVectors(
        times(263, () => new Float32Array(16_000)),
        "d",
      ),
    ).toThrow(/^d\[262\]: one call may have/);
  });
});
