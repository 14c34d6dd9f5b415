// Values that the codec keeps, by name: the table of its tests.

/** Own keys that plain object literals cannot have. */
const parsed = (text: string): unknown => JSON.parse(text);

const withCode = Object.assign(new Error("no file"), { code: "ENOENT", errno: -2, details: new Map([["path", "/x"]]) });

/** An object without prototype. */
export const bare = (properties: object): object => Object.assign(Object.create(null), properties);

const float16 = (globalThis as { Float16Array?: new (items: number[]) => object }).Float16Array;

// A flag that the compiler knows in newer targets only.
const setNotation = "v";

/** Values that are plain JSON, with names. */
export const plainValues: [string, unknown][] = [
  ["null", null],
  ["a string", "hello"],
  ["an empty string", ""],
  ["NUL, a lone surrogate, separators of lines", "\0 \ud800 \udc00x \u2028 \u2029 \u{1F600}"],
  ["numbers", [0, 1, -1.5, 2 ** 53, 5e-324, 1.7976931348623157e308]],
  ["booleans", [true, false]],
  ["empty containers", [[], {}]],
  ["nesting", { a: [{ b: [[1], { c: null }] }] }],
  ["keys of any kind", { "": 1, "0": 2, "a b": 3, "\0": 4, "\ud800": 5, $: 6 }],
  ["hostile keys", parsed('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":2}')],
  ["a hostile key at depth", [{ a: parsed('{"__proto__":null}') }]],
  ["toJSON that is data", { toJSON: "data", nested: { toJSON: 1 } }],
  ["a tag outside a document", { $: "Date", value: "2026-01-31T00:00:00.000Z" }],
  ["a document below the root", [{ $waystone: 1, value: 2 }]],
  ["a constructor of another library", { lc: 1, type: "constructor", id: ["HOME"], kwargs: {} }],
];

/** Values that JSON cannot say, with names. */
export const taggedValues: [string, unknown][] = [
  ["undefined", undefined],
  ["undefined in an object", { a: undefined, b: 1 }],
  ["undefined in an array", [undefined, 1, undefined]],
  ["NaN, infinities, -0", [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, { a: -0 }]],
  ["-0 alone", -0],
  ["bigints", [0n, 1n, -1n, 2n ** 64n, -(2n ** 64n), 16n ** 256n - 1n, 16n ** 256n, -(16n ** 256n), 3n ** 50000n]],
  ["dates", [new Date(0), new Date(8.64e15), new Date(-8.64e15), new Date("2026-02-28T23:59:59.999Z")]],
  ["an invalid date", new Date(Number.NaN)],
  [
    "regular expressions",
    [
      /a\/b[\]/]\n/giu,
      /(?:)/,
      /(?<year>\d+)/dsy,
      new RegExp("[\\p{L}--[a-z]]", setNotation),
      Object.assign(/x/g, { lastIndex: 7 }),
    ],
  ],
  [
    "URLs",
    [
      new URL("https://user:pa%20ss@example.com:8443/a%2Fb/../c?q=1#f"),
      new URL("mailto:a@b.c"),
      new URL("http://ü.test/é"),
    ],
  ],
  ["an empty Map and Set", [new Map(), new Set()]],
  [
    "a Map with keys of any kind",
    new Map<unknown, unknown>([
      ["a", 1],
      [1, "a"],
      [Number.NaN, 0],
      [{ k: 1 }, new Map([[[1], undefined]])],
      [undefined, null],
    ]),
  ],
  ["a Set with items of any kind", new Set<unknown>([1, "1", { a: 1 }, { a: 1 }, new Set([undefined]), 1n])],
  [
    "typed arrays",
    [
      new Uint8Array([0, 255]),
      new Uint8ClampedArray([1]),
      new Int8Array([-1]),
      new Uint16Array([65535, 1]),
      new Int16Array([-2]),
      new Uint32Array([2 ** 32 - 1]),
      new Int32Array([-3]),
      new Float32Array([1.5, Number.NaN]),
      new Float64Array([-0, Math.PI, Number.NaN]),
      new BigInt64Array([-(2n ** 63n)]),
      new BigUint64Array([2n ** 64n - 1n]),
      new Float64Array(0),
    ],
  ],
  ["a typed array inside a larger buffer", new Uint16Array(new Uint8Array([9, 9, 1, 0, 2, 0, 9, 9]).buffer, 2, 2)],
  [
    "ArrayBuffer and DataView",
    [new ArrayBuffer(0), new Uint8Array([1, 2, 3]).buffer, new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)],
  ],
  ["Buffers, small and large", [Buffer.from("hé"), Buffer.alloc(0), Buffer.alloc(10_000, 7)]],
  [
    "objects without prototype",
    [
      bare({}),
      bare({ a: bare({ $: 1 }) }),
      Object.defineProperty(bare({}), "__proto__", { value: 1, enumerable: true, writable: true, configurable: true }),
    ],
  ],
  [
    "errors of each kind",
    [
      new Error("e"),
      new TypeError("t"),
      new RangeError("r"),
      new SyntaxError("s"),
      new ReferenceError("f"),
      new EvalError("v"),
      new URIError("u"),
      new AggregateError([new Error("one"), 2], "many"),
    ],
  ],
  [
    "an error with a chain of causes",
    new Error("a", { cause: new TypeError("b", { cause: { c: new Error("d", { cause: undefined }) } }) }),
  ],
  ["an error without message", new Error()],
  ["an error with properties of its own", withCode],
  ["an error with another name", Object.assign(new Error("m"), { name: "AbortError" })],
  [
    "an error with a hidden name",
    Object.defineProperty(new Error("m"), "name", { value: "Hidden", writable: true, configurable: true }),
  ],
  ["an error with an assigned cause", Object.assign(new Error("m"), { cause: "assigned" })],
  ["an error whose stack is another", Object.assign(new Error("m"), { stack: "Error: m\n  at nowhere" })],
  [
    "our tags beside what needs tags",
    [{ $: "Date", value: "x" }, { $: "object", value: { $: 1 } }, { $: { $: undefined } }, 1n],
  ],
  ["a document of ours as a value", { $waystone: 1, value: { $: "bigint", value: "1" } }],
  ["a document of ours that needs tags", { $waystone: 2n }],
  [
    "hostile keys beside what needs tags",
    [parsed('{"__proto__":{"a":[1]},"constructor":{"$":"undefined"}}'), undefined],
  ],
  [
    "a hostile key that needs tags",
    Object.defineProperty({}, "__proto__", {
      value: new Date(1),
      enumerable: true,
      writable: true,
      configurable: true,
    }),
  ],
];
if (float16 !== undefined) taggedValues.push(["Float16Array", new float16([1.5, -0, Number.NaN])]);
