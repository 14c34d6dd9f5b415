// What the codec refuses, and where it says that it is (V1).
import { describe, expect, it } from "vitest";
import { SerializationError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue } from "../../../src/domain/codec/codec.js";
import { textOrUndefined, thrownBy } from "./probes.js";

class Account {
  balance = 1;
}

class CustomError extends Error {}

function argumentsOf(..._: number[]): unknown {
  // biome-ignore lint/complexity/noArguments: it is this object that is to be refused
  return arguments;
}

const cycle: Record<string, unknown> = { list: [1] };
(cycle.list as unknown[]).push({ back: cycle });

const refused: [string, unknown, string][] = [
  ["a function", () => 1, "$: a function cannot be stored"],
  ["a function at depth", { a: [0, 1, 2, { f() {} }] }, "$.a[3].f: a function cannot be stored"],
  ["a class", [Account], "$[0]: a function cannot be stored"],
  ["a toJSON that is code", { toJSON: () => "liar" }, "$.toJSON: a function cannot be stored"],
  ["a symbol", { s: Symbol("s") }, "$.s: a symbol cannot be stored"],
  ["a symbol key", { a: { [Symbol("k")]: 1 } }, "$.a: an object with symbol keys cannot be stored"],
  [
    "a symbol key of an array",
    [Object.assign([1], { [Symbol("k")]: 1 })],
    "$[0]: an array with further properties cannot be stored",
  ],
  ["an instance of a class", { a: new Account() }, "$.a: an instance of Account cannot be stored"],
  ["an instance of a nameless class", new (class {})(), "$: an instance of a class cannot be stored"],
  ["an array of a subclass", new (class List extends Array {})(), "$: an instance of List cannot be stored"],
  ["a Map of a subclass", new (class Index extends Map {})(), "$: an instance of Index cannot be stored"],
  ["a Date of a subclass", new (class Day extends Date {})(0), "$: an instance of Day cannot be stored"],
  ["an error of a subclass", { e: new CustomError("x") }, "$.e: an instance of CustomError cannot be stored"],
  ["an object with a prototype of data", Object.create({ inherited: 1 }), "$: an instance of a class cannot be stored"],
  ["boxed primitives", [Object(1)], "$[0]: an instance of Number cannot be stored"],
  ["a boxed string", [Object("s")], "$[0]: an instance of String cannot be stored"],
  ["a hole", Object.assign(new Array(3), { 0: 1, 2: 3 }), "$[1]: a hole in an array cannot be stored"],
  ["a hole at the end", Object.assign([1], { length: 2 }), "$[1]: a hole in an array cannot be stored"],
  [
    "a large array of nothing",
    new Array(4_000_000_000),
    "$: a value of more than 1500000 elements and properties cannot be stored",
  ],
  [
    "a match of a regular expression",
    { m: "ab".match(/a(?<x>b)/) },
    "$.m: an array with further properties cannot be stored",
  ],
  [
    "a long array with a property",
    Object.assign(new Array(100).fill(0), { index: 0 }),
    "$: an array with further properties cannot be stored",
  ],
  ["a cycle", cycle, "$.list[1].back: a cycle cannot be stored"],
  [
    "a cycle through a Map",
    (() => {
      const m = new Map<string, unknown>();
      m.set("self", [m]);
      return m;
    })(),
    '$.get("self")[0]: a cycle cannot be stored',
  ],
  [
    "a cycle through a cause",
    (() => {
      const e = new Error("e");
      e.cause = { e };
      return [e];
    })(),
    "$[0].cause.e: a cycle cannot be stored",
  ],
  ["a function in a Map", new Map<unknown, unknown>([[1, { f() {} }]]), "$.values()[0].f: a function cannot be stored"],
  [
    "a function as a key of a Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [() => 1, 2],
    ]),
    "$.keys()[1]: a function cannot be stored",
  ],
  ["a symbol in a Set", new Set([1, Symbol("x")]), "$.values()[1]: a symbol cannot be stored"],
  ["a function in an error", Object.assign(new Error("e"), { retry() {} }), "$.retry: a function cannot be stored"],
  ["a key with a space", { "a b": { "\n": () => 1 } }, '$["a b"]["\\n"]: a function cannot be stored'],
  ["a Promise", Promise.resolve(1), "$: an instance of Promise cannot be stored"],
  ["a WeakMap", new WeakMap(), "$: an instance of WeakMap cannot be stored"],
  [
    "a generator",
    (function* () {
      yield 1;
    })(),
    "$: an instance of a class cannot be stored",
  ],
  ["arguments of a function", argumentsOf(1), "$: an object with symbol keys cannot be stored"],
  ["Math", Math, "$: an object with symbol keys cannot be stored"],
  ["a SharedArrayBuffer", new SharedArrayBuffer(8), "$: an instance of SharedArrayBuffer cannot be stored"],
  ["a view of shared memory", new Uint8Array(new SharedArrayBuffer(8)), "$: a SharedArrayBuffer cannot be stored"],
  ["a resizable ArrayBuffer", new ArrayBuffer(8, { maxByteLength: 16 }), "$: a resizable ArrayBuffer cannot be stored"],
  [
    "a view of resizable memory",
    new Float64Array(new ArrayBuffer(8, { maxByteLength: 16 })),
    "$: a resizable ArrayBuffer cannot be stored",
  ],
  [
    "a detached ArrayBuffer",
    (() => {
      const b = new ArrayBuffer(8);
      structuredClone(b, { transfer: [b] });
      return b;
    })(),
    "$: a detached ArrayBuffer cannot be stored",
  ],
  [
    "a Date with a property",
    Object.assign(new Date(0), { zone: "UTC" }),
    "$: a Date with further properties cannot be stored",
  ],
  [
    "a RegExp with a property",
    Object.assign(/x/, { label: "x" }),
    "$: a RegExp with further properties cannot be stored",
  ],
  [
    "a RegExp with a strange lastIndex",
    Object.assign(/x/, { lastIndex: "3" }),
    "$: a RegExp whose lastIndex is no integer cannot be stored",
  ],
  [
    "a URL with a property",
    Object.assign(new URL("http://a"), { label: "x" }),
    "$: a URL with further properties cannot be stored",
  ],
  [
    "a Map with a property",
    Object.assign(new Map(), { label: "x" }),
    "$: a Map with further properties cannot be stored",
  ],
  [
    "a Set with a property",
    Object.assign(new Set(), { label: "x" }),
    "$: a Set with further properties cannot be stored",
  ],
  [
    "bytes with a property",
    Object.assign(new Uint8Array(2), { label: "x" }),
    "$: a Uint8Array with further properties cannot be stored",
  ],
  [
    "a Buffer with a property",
    Object.assign(Buffer.alloc(2), { label: "x" }),
    "$: a Buffer with further properties cannot be stored",
  ],
  [
    "an ArrayBuffer with a property",
    Object.assign(new ArrayBuffer(2), { label: "x" }),
    "$: an ArrayBuffer with further properties cannot be stored",
  ],
  [
    "a DataView with a property",
    Object.assign(new DataView(new ArrayBuffer(2)), { label: "x" }),
    "$: a DataView with further properties cannot be stored",
  ],
  [
    "bytes posing as another kind",
    Object.setPrototypeOf(new Uint8Array(8), Float64Array.prototype),
    "$: a Float64Array with further properties cannot be stored",
  ],
  [
    "an object posing as a Date",
    { d: Object.create(Date.prototype) },
    "$.d: a value that cannot be read cannot be stored",
  ],
  ["an object posing as a Map", Object.create(Map.prototype), "$: a value that cannot be read cannot be stored"],
  ["a proxy of a Map", [new Proxy(new Map(), {})], "$[0]: a value that cannot be read cannot be stored"],
  [
    "a revoked proxy",
    (() => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return { p: proxy };
    })(),
    "$.p: a value that cannot be read cannot be stored",
  ],
  [
    "a getter that throws",
    {
      a: {
        get b() {
          throw new Error("secret");
        },
      },
    },
    "$.a: a value that cannot be read cannot be stored",
  ],
];

describe("V1: what cannot be kept is refused with its path", () => {
  it.each(refused)("%s", (_name, value, message) => {
    const error = thrownBy(() => encodeValue(value));
    expect(error).toBeInstanceOf(SerializationError);
    expect((error as Error).message).toBe(message);
    expect(error).toMatchObject({
      code: "SERIALIZATION",
      outcome: "not-applied",
      path: message.slice(0, message.indexOf(": ")),
    });
  });

  it.each(refused)("and the same beside a value that needs a tag: %s", (_name, value, message) => {
    const error = thrownBy(() => encodeValue([undefined, value]));
    expect((error as Error).message).toBe(message.replace("$", "$[1]"));
  });

  it("a getter that throws is the cause", () => {
    const cause = new Error("from the getter");
    const error = thrownBy(() =>
      encodeValue({
        get a() {
          throw cause;
        },
      }),
    );
    expect((error as Error).cause).toBe(cause);
  });

  it("while a library has given plain values a toJSON", () => {
    Object.defineProperty(Array.prototype, "toJSON", { value: () => "liar", configurable: true });
    try {
      expect(() => encodeValue([1])).toThrow(SerializationError);
    } finally {
      Reflect.deleteProperty(Array.prototype, "toJSON");
    }
    expect(encodeValue([1])).toBe("[1]");
  });

  it("a toJSON of bigints changes nothing", () => {
    Object.defineProperty(BigInt.prototype, "toJSON", { value: () => "liar", configurable: true });
    try {
      expect(decodeValue(encodeValue({ n: 5n }))).toEqual({ n: 5n });
    } finally {
      Reflect.deleteProperty(BigInt.prototype, "toJSON");
    }
  });
});

describe("V1: getters and proxies are taken for the value that they show", () => {
  it("a getter", () => {
    expect(
      encodeValue({
        get a() {
          return [1];
        },
      }),
    ).toBe('{"a":[1]}');
  });

  it("a proxy of plain data", () => {
    const proxy = new Proxy({ a: new Proxy([1, 2], {}) }, {});
    expect(encodeValue(proxy)).toBe('{"a":[1,2]}');
    expect(decodeValue(encodeValue([proxy, undefined]))).toEqual([{ a: [1, 2] }, undefined]);
  });

  it("hidden properties are not part of a value", () => {
    expect(encodeValue(Object.defineProperty({ a: 1 }, "hidden", { value: 2 }))).toBe('{"a":1}');
    const observed = Object.defineProperty(new Error("e"), "__captured__", { value: () => true });
    expect(decodeValue(encodeValue(observed))).toEqual(observed);
  });

  it("a getter that changes its answer can only change what is stored, never make it unreadable", () => {
    const answers: unknown[] = [1, () => 1, undefined, new Map(), 2n, { $waystone: 9 }, Symbol("s"), Number.NaN];
    for (const first of answers) {
      for (const second of answers) {
        let reads = 0;
        const value = {
          get a() {
            return reads++ % 2 === 0 ? first : second;
          },
        };
        const text = textOrUndefined(value);
        if (text !== undefined) expect(() => decodeValue(text)).not.toThrow();
      }
    }
  });
});
