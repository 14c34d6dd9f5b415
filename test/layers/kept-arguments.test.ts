// Arguments of a call that waits are those of the moment in which it was made.
import { inspect, isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { decodeValue, encodeValue, prepareValue } from "../../src/domain/codec/codec.js";
import { concurrencyLimit, retry } from "../../src/layers/index.js";
import { keptArguments } from "../../src/layers/kept-arguments.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import {
  KEPT_OR_REFUSED_VALUES,
  KEPT_VALUES,
  type NamedValue,
  REFUSED_VALUES,
} from "../../src/testing/hostile-values.js";

/** What a store makes of a value: its text, or why it refuses it. */
function verdictOf(make: () => unknown): unknown {
  try {
    return decodeValue(encodeValue(make()));
  } catch (error) {
    return String(error);
  }
}

const VALUES: readonly NamedValue[] = [
  ...KEPT_VALUES,
  ...REFUSED_VALUES.map(([name, make]): NamedValue => [name, make]),
  ...KEPT_OR_REFUSED_VALUES,
];

describe("kept arguments", () => {
  it.each(VALUES)("mean the same to a store: %s", (_name, make) => {
    const [plain, kept] = [verdictOf(make), verdictOf(() => keptArguments([make()])[0])];
    expect(isDeepStrictEqual(kept, plain), `${inspect(plain)} became ${inspect(kept)}`).toBe(true);
  });

  it("are no longer the caller's", () => {
    const bytes = new Uint8Array([1]);
    const buffer = Buffer.from([1]);
    const value = { list: [{ a: 1 }], map: new Map([["k", [1]]]), set: new Set([1]), date: new Date(0), bytes, buffer };
    const before = structuredClone(value);
    const [kept] = keptArguments([value]) as [typeof value];
    value.list[0] = { a: 2 };
    value.map.get("k")?.push(2);
    value.set.add(2);
    value.date.setTime(5);
    bytes[0] = 2;
    buffer[0] = 2;
    expect({ ...kept, buffer: new Uint8Array(kept.buffer) }).toEqual({ ...before, buffer: new Uint8Array([1]) });
    expect(Buffer.isBuffer(kept.buffer)).toBe(true);
  });

  it("stay what they are where nobody changes them, or no store takes them", () => {
    class Mine {}
    const same = [prepareValue({ a: 1 }), new AbortController().signal, new Mine(), () => 1, Symbol("s"), null, "text"];
    const kept = keptArguments(same);
    for (const [i, value] of same.entries()) expect(kept[i]).toBe(value);
    const shared = { a: 1 };
    const [both] = keptArguments([[shared, shared]]) as [object[]];
    expect(both[0]).toBe(both[1]);
    expect(both[0]).not.toBe(shared);
    const proto = JSON.parse('{"__proto__": {"a": 1}}');
    const [own] = keptArguments([proto]) as [object];
    expect(Object.keys(own)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(own)).toBe(Object.prototype);
  });
});

describe("a call that waits", () => {
  it("is sent again as it was first", async () => {
    const inner = memoryStorage();
    let calls = 0;
    const faulty = faultyStorage(inner, () => {
      calls += 1;
      return calls === 1 ? { at: "before" } : undefined;
    });
    const storage = retry({ initialDelayMs: 1, maxDelayMs: 1 })(faulty.storage);
    const state = { step: 1, deep: { list: [1] } };
    const stored = storage.storeCheckpoint("t", "c", state);
    state.step = 2;
    state.deep.list.push(2);
    await stored;
    expect((await inner.getCheckpoint("t"))?.data).toEqual({ step: 1, deep: { list: [1] } });
  });

  it("gets its turn as it was when it came", async () => {
    const inner = memoryStorage();
    const storage = concurrencyLimit({ maxConcurrent: 1 })(inner);
    const value = { n: 1 };
    const first = storage.putItem(["n"], "a", value);
    const second = storage.putItem(["n"], "b", value);
    value.n = 2;
    await Promise.all([first, second]);
    expect((await inner.getItem(["n"], "b"))?.value).toEqual({ n: 1 });
  });
});
