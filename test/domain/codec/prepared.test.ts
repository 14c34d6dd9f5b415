// Prepared values: stored as the values they were made of (V1).
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SerializationError } from "../../../src/contract/errors.js";
import {
  copyOfPrepared,
  decodeValue,
  encodeText,
  encodeValue,
  listGoingOn,
  prepareList,
  prepareValue,
} from "../../../src/domain/codec/codec.js";
import { levelsOf } from "../../../src/domain/codec/levels.js";
import { PreparedValue } from "../../../src/domain/codec/prepared-value.js";
import { kept } from "./arbitraries.js";
import { nested, thrownBy } from "./probes.js";
import { plainValues, taggedValues } from "./values.js";

const inArray = (inside: unknown): unknown => [inside];

describe("a prepared value", () => {
  it.each([...plainValues, ...taggedValues])("has the text of its value wherever it stands: %s", (_name, value) => {
    const prepared = prepareValue(value);
    expect(encodeValue(prepared)).toBe(encodeValue(value));
    for (const around of [
      (inside: unknown) => [inside],
      (inside: unknown) => ({ before: "x", inside, after: [1, inside] }),
      (inside: unknown) => ({ inside, date: new Date(0), $: 1 }),
      (inside: unknown) => new Map([["k", [inside, inside]]]),
    ]) {
      expect(encodeValue(around(prepared))).toBe(encodeValue(around(value)));
    }
  });

  it("has the text of its value, whatever values stand around it", () => {
    fc.assert(
      fc.property(kept, kept, kept, (first, second, other) => {
        const around = (a: unknown, b: unknown) => ({ a, list: [b, other, { deep: a }], other });
        const text = encodeText(around(prepareValue(first), prepareValue(second)));
        const whole = encodeValue(around(first, second));
        expect(String(text)).toBe(whole);
        expect(text.bytes).toBe(Buffer.byteLength(whole));
      }),
    );
  });

  it("may be a list of prepared values: the text of the list, each of them a part", () => {
    fc.assert(
      fc.property(fc.array(kept, { maxLength: 5 }), kept, (values, other) => {
        const list = prepareList(values.map(prepareValue));
        expect(encodeValue({ list, other })).toBe(encodeValue({ list: values, other }));
        expect(encodeText({ list }).bytes).toBe(Buffer.byteLength(encodeValue({ list: values })));
      }),
    );
    fc.assert(
      fc.property(
        fc.array(kept, { maxLength: 5 }),
        fc.nat(5),
        fc.array(kept, { maxLength: 2 }),
        (values, count, more) => {
          const items = values.map(prepareValue);
          const first = items.slice(0, count);
          const before = prepareList(first);
          const longer = listGoingOn(items.slice(count), before);
          // Several lists may go on from the same one, and from each other, in any order.
          const all = [...first, ...items.slice(count)];
          const cases: [goesOn: PreparedValue, alone: PreparedValue][] = [
            [longer, prepareList(all)],
            [listGoingOn(more.map(prepareValue), before), prepareList([...first, ...more.map(prepareValue)])],
            [listGoingOn(items.toReversed(), longer), prepareList([...all, ...items.toReversed()])],
            [listGoingOn([], before), prepareList(first)],
            [prepareList(items, { items: first, prepared: before }), prepareList(items)],
            [prepareList(items.toReversed(), { items: first, prepared: before }), prepareList(items.toReversed())],
            [longer, prepareList(all)],
            [before, prepareList(first)],
          ];
          for (const [goesOn, alone] of cases) {
            expect(encodeText({ goesOn }).parts).toEqual(encodeText({ goesOn: alone }).parts);
            expect(encodeText({ goesOn }).bytes).toBe(encodeText({ goesOn: alone }).bytes);
            expect(encodeValue([goesOn, new Date(0)])).toBe(encodeValue([alone, new Date(0)]));
            expect(PreparedValue.textsOf(goesOn).levels).toBe(PreparedValue.textsOf(alone).levels);
          }
        },
      ),
    );
    const list = prepareList([prepareValue({ id: 1 }), prepareValue([prepareValue("a"), 2])]);
    expect(encodeText({ list }).parts).toEqual(['{"list":[', '{"id":1}', ",[", '"a"', ",2]]}"]);
    expect(() => encodeValue(nested(399, inArray, prepareList([prepareValue(nested(600, inArray))])))).not.toThrow();
    expect(() => encodeValue(nested(400, inArray, prepareList([prepareValue(nested(600, inArray))])))).toThrow();
  });

  it("comes back as a fresh copy of its value", () => {
    fc.assert(
      fc.property(kept, (value) => {
        const prepared = prepareValue(value);
        deepStrictEqual(copyOfPrepared(prepared), decodeValue(encodeValue(value)));
      }),
    );
    const prepared = prepareValue({ list: [1] });
    expect(copyOfPrepared(prepared)).not.toBe(copyOfPrepared(prepared));
  });

  it("is a part of the text of what holds it, the same string each time", () => {
    const messages = [{ id: 1 }, { id: 2 }].map(prepareValue);
    const [first, second] = [
      { step: 1, messages },
      { messages, step: 2 },
    ].map((state) => encodeText(state).parts);
    expect(first).toEqual(['{"step":1,"messages":[', '{"id":1}', ",", '{"id":2}', "]}"]);
    expect(second).toEqual(['{"messages":[', '{"id":1}', ",", '{"id":2}', '],"step":2}']);
  });

  it("stays what it was when the value changes", () => {
    const value = { list: [1] };
    const prepared = prepareValue(value);
    value.list.push(2);
    expect(encodeValue([prepared])).toBe('[{"list":[1]}]');
  });

  it("is refused when its value is, with the path", () => {
    expect(thrownBy(() => prepareValue({ a: [() => 1] }))).toMatchObject({ code: "SERIALIZATION", path: "$.a[0]" });
  });

  it("counts with its levels: what would be too deep to be read is not stored", () => {
    const prepared = prepareValue(nested(600, inArray));
    const fits = nested(400, inArray, prepared);
    expect(decodeValue(encodeValue(fits))).toEqual(nested(1000, inArray));
    expect(() => encodeValue(nested(401, inArray, prepared))).toThrow(SerializationError);
    const shared = [prepared];
    expect(() => encodeValue([nested(399, inArray, shared), nested(400, inArray, shared)])).toThrow(SerializationError);
  });

  it("reads as its portable form for JSON.stringify", () => {
    expect(JSON.stringify([prepareValue({ $: 1 })])).toBe('[{"$":1}]');
    expect(JSON.stringify({ date: prepareValue(new Date(0)) })).toBe(
      '{"date":{"$":"Date","value":"1970-01-01T00:00:00.000Z"}}',
    );
  });

  it("cannot be forged from its class's prototype", () => {
    const forged: unknown = Object.create(Object.getPrototypeOf(prepareValue(1)));
    expect(() => encodeValue({ forged })).toThrow(SerializationError);
  });
});

it("levels of a text are those of its value", () => {
  expect(levelsOf('"[[["')).toBe(0);
  expect(levelsOf('{"a\\\\":"\\"[{","b":[[]],"c":{}}')).toBe(3);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(levelsOf(JSON.stringify(value))).toBe(levels(value));
    }),
  );
});

function levels(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(levels));
}
