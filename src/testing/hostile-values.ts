/** Values that must come back deep-equal, and ones that must be refused (V1-V3). */

/** A value with what it is; made anew for every use, so that no test sees another one's changes. */
export type NamedValue = readonly [name: string, make: () => unknown];

/** Kept exactly, as contents, states, writes and contexts. */
export const KEPT_VALUES: readonly NamedValue[] = [
  ["null", () => null],
  ["undefined", () => undefined],
  ["true and false", () => [true, false]],
  ["an empty string", () => ""],
  ["an empty array and object", () => [[], {}, [[]], [{}]]],
  [
    "strings of every kind",
    () => ['a"b\\c', "\n\r\t\b\f", "\u2028\u2029", "\u00e9e\u0301", "\u{1f600}", "</script>", "\ufeffa"],
  ],
  ["a string with NUL", () => ({ text: "a\0b", "k\0": 1 })],
  ["a string with lone surrogates", () => ({ text: "a\ud800b\udc00", "\ud800": 1 })],
  ["a string of a megabyte", () => "\u20acx".repeat(262_144)],
  ["integers to the last exact one", () => [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53]],
  ["floats to the last bit", () => [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, Math.PI, 1e21, 123456789.12345679]],
  ["negative zero", () => ({ zero: -0, list: [-0, 0] })],
  ["NaN and the infinities", () => [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ["bigints", () => [0n, -1n, 2n ** 64n, -(10n ** 60n)]],
  ["undefined in objects and arrays", () => ({ a: undefined, b: [undefined, 1, undefined], c: { d: undefined } })],
  ["dates", () => [new Date(0), new Date(-1), new Date(1_700_000_000_123), new Date(8.64e15), new Date(-8.64e15)]],
  [
    "a map",
    () =>
      new Map<unknown, unknown>([
        ["a", 1],
        [2, "b"],
        [null, undefined],
        [{ k: 1 }, [new Map([["x", new Set([1])]])]],
      ]),
  ],
  ["an empty map and set", () => [new Map(), new Set()]],
  ["a set", () => new Set<unknown>(["a", 1, null, undefined, { k: 1 }, Number.NaN])],
  ["bytes", () => new Uint8Array([0, 1, 127, 128, 255])],
  [
    "every typed array",
    () => [
      new Int8Array([-1, 1]),
      new Uint8ClampedArray([0, 255]),
      new Int16Array([-300, 300]),
      new Uint16Array([0, 65535]),
      new Int32Array([-70_000, 70_000]),
      new Uint32Array([0, 4_294_967_295]),
      new Float32Array([1.5, -0, Number.NaN]),
      new Float64Array([1 / 3, -0, Number.POSITIVE_INFINITY]),
      new BigInt64Array([-1n, 2n ** 62n]),
      new BigUint64Array([2n ** 64n - 1n]),
    ],
  ],
  ["empty typed arrays and buffers", () => [new Uint8Array(0), new Float64Array(0), new ArrayBuffer(0)]],
  ["an array buffer", () => new Uint8Array([9, 8, 7]).buffer],
  ["a view of a part of a buffer", () => new Uint8Array([1, 2, 3, 4, 5, 6]).subarray(2, 4)],
  ["regular expressions", () => [/a+/gi, /[/\\]\/"/u, /^$/my]],
  ["URLs", () => [new URL("https://example.com/a%20b?q=1&q=2#h"), new URL("data:,a")]],
  ["errors", () => errorsOfEveryKind()],
  [
    "a plain tool call",
    () => [{ type: "tool_call", id: "c1", name: "search", arguments: { q: "a", n: 3, deep: [[{}]] } }],
  ],
  ["keys that are hard to hold", () => hardKeys()],
  ["keys that look like numbers", () => ({ "1": "a", "0": "b", "-1": "c", "01": "d", "4294967295": "e" })],
  ["nesting a hundred levels deep", () => nested(100)],
  ["a thousand keys", () => Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]))],
  [
    "one object in two places",
    () => {
      const shared = { a: [1] };
      return { first: shared, second: shared };
    },
  ],
];

/** Refused, with the path of the fault from the root of the value. */
export const REFUSED_VALUES: readonly (readonly [name: string, make: () => unknown, path: string])[] = [
  ["a function", () => ({ a: [0, 1, 2, { f: () => 1 }] }), "$.a[3].f"],
  ["a method", () => ({ toJSON: () => "a" }), "$.toJSON"],
  ["a symbol", () => ({ a: Symbol("s") }), "$.a"],
  ["a well-known symbol in an array", () => [1, Symbol.iterator], "$[1]"],
  ["a class instance", () => ({ user: new Account() }), "$.user"],
  ["a class instance that turns into JSON", () => [new JsonAccount()], "$[0]"],
  ["a promise", () => ({ p: Promise.resolve(1) }), "$.p"],
  ["a weak map", () => ({ w: new WeakMap() }), "$.w"],
  ["a cycle through an object", () => cyclicObject(), "$.a.self"],
  ["a cycle through an array", () => cyclicArray(), "$[0][0]"],
];

/** A cycle through a map and one through a set: refused, wherever the path leads. */
export const REFUSED_COLLECTIONS: readonly NamedValue[] = [
  [
    "a cycle through a map",
    () => {
      const map = new Map<string, unknown>();
      map.set("self", map);
      return map;
    },
  ],
  [
    "a cycle through a set",
    () => {
      const set = new Set<unknown>();
      set.add({ set });
      return set;
    },
  ],
  [
    "a cycle through the cause of an error",
    () => {
      const error = new Error("a");
      error.cause = { error };
      return error;
    },
  ],
  ["a function as a value of a map", () => new Map([["f", () => 1]])],
  ["a symbol in a set", () => new Set([Symbol("s")])],
  ["a class instance as a cause", () => new Error("a", { cause: new Account() })],
];

/** Kept exactly or refused, but never changed, and the verdict is the same wherever the value stands. */
export const KEPT_OR_REFUSED_VALUES: readonly NamedValue[] = [
  ["an invalid date", () => ({ d: new Date(Number.NaN) })],
  ["a hole in an array", () => Object.assign(new Array(3), { 0: 1, 2: 3 })],
  [
    "a sparse array of a hundred million",
    () => {
      const sparse: unknown[] = [];
      sparse[100_000_000] = 1;
      return sparse;
    },
  ],
  ["an array with a named property", () => Object.assign([1, 2], { extra: 3 })],
  ["an object with a symbol key", () => ({ a: 1, [Symbol("k")]: 2 })],
  ["an object without prototype", () => Object.assign(Object.create(null), { a: 1 })],
  [
    "a getter",
    () => ({
      get a() {
        return 1;
      },
    }),
  ],
  [
    "a getter that throws",
    () => ({
      get a(): number {
        throw new RangeError("no");
      },
    }),
  ],
  ["a property that is not enumerable", () => Object.defineProperty({ a: 1 }, "hidden", { value: 2 })],
  [
    "a proxy that throws",
    () =>
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new RangeError("no");
          },
        },
      ),
  ],
  ["boxed values", () => [Object("a"), Object(1), Object(true)]],
  ["a buffer of Node.js", () => Buffer.from("abc")],
  ["a data view", () => new DataView(new ArrayBuffer(4), 1, 2)],
  ["a shared buffer", () => new SharedArrayBuffer(4)],
  [
    "a regular expression that is under way",
    () => {
      const r = /a/g;
      r.lastIndex = 3;
      return r;
    },
  ],
  ["an error with fields of its own", () => Object.assign(new Error("a"), { status: 404 })],
  ["an error that gathers others", () => new AggregateError([new Error("a"), 1], "many")],
  ["a subclass of Map", () => Reflect.construct(Map, [[["a", 1]]], class Table extends Map {})],
  ["a subclass of Date", () => Reflect.construct(Date, [0], class Day extends Date {})],
  ["a frozen object", () => Object.freeze({ a: Object.freeze([1]) })],
  ["nesting ten thousand levels deep", () => nested(10_000)],
  ["nesting two hundred thousand levels deep", () => nested(200_000)],
  ["global objects", () => [globalThis.Math]],
  ["an iterator", () => [[1, 2].values()]],
  ["search parameters", () => new URLSearchParams("a=1")],
];

/** Objects that resemble the marks by which serialisers tell types: user data like any other (V3). */
export const TAG_LIKE_VALUES: readonly NamedValue[] = [
  ...[
    "$",
    "$type",
    "__type",
    "@",
    "@type",
    "type",
    "~",
    "$date",
    "$bigint",
    "$map",
    "$undefined",
    "$escape",
    "#",
    "__waystone",
  ].map(
    (key): NamedValue => [
      `the key ${key}`,
      () => [
        { [key]: "Date" },
        { [key]: "Map", value: [["a", 1]] },
        { [key]: ["bigint", "1"] },
        { [key]: { [key]: null } },
        { [key]: 1, a: 1 },
      ],
    ],
  ),
  ["the form of superjson", () => ({ json: { a: "1" }, meta: { values: { a: ["bigint"] } } })],
  ["the form of devalue", () => [["Date", "2020-01-01T00:00:00.000Z"], -1, -2, [1]]],
  ["the form of LangChain", () => ({ lc: 1, type: "constructor", id: ["langchain", "schema"], kwargs: {} })],
  ["the form of a Buffer as JSON", () => ({ type: "Buffer", data: [1, 2, 3] })],
  [
    "a string that looks like a date",
    () => ["2020-01-01T00:00:00.000Z", "1n", "NaN", "-0", "undefined", "[object Object]"],
  ],
];

class Account {
  readonly balance = 1;
}

class JsonAccount {
  readonly balance = 1;
  toJSON(): unknown {
    return { balance: 2 };
  }
}

function errorsOfEveryKind(): Error[] {
  const named = new Error("own name");
  named.name = "ToolError";
  const caused = new Error("outer", { cause: new TypeError("inner", { cause: { code: 7, at: new Date(5) } }) });
  return [
    new Error("plain"),
    new Error(""),
    new TypeError("typed"),
    new RangeError("range"),
    new SyntaxError("syntax"),
    named,
    caused,
  ];
}

/** Own keys that a careless copy loses or turns into a prototype. */
function hardKeys(): object {
  const value = JSON.parse(
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":1,"then":"no promise"}',
  );
  return {
    value,
    "": "empty",
    "a.b": 1,
    "a[0]": 2,
    $: 3,
    toString: "text",
    hasOwnProperty: null,
    length: 4,
  };
}

function nested(depth: number): unknown {
  let value: unknown = "bottom";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { n: value };
  return value;
}

function cyclicObject(): unknown {
  const inner: Record<string, unknown> = { x: 1 };
  inner.self = inner;
  return { a: inner };
}

function cyclicArray(): unknown {
  const outer: unknown[] = [];
  const inner: unknown[] = [];
  outer.push(inner);
  inner.push(outer);
  return outer;
}
