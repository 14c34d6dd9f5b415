// Generated values that the codec keeps.
import fc from "fast-check";

/** Strings of any UTF-16 units, lone surrogates and NUL among them. */
export const anyString: fc.Arbitrary<string> = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
  .map((u) => String.fromCharCode(...u));

export const hostileKey: fc.Arbitrary<string> = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toJSON",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "then",
  "length",
  "0",
  "",
  "$",
  "$waystone",
  "value",
  "$$",
  "type",
  "fields",
  "properties",
);

/** Kinds of nodes of an encoded document, known and unknown. */
export const nodeKind: fc.Arbitrary<string> = fc.constantFrom(
  "undefined",
  "number",
  "bigint",
  "Date",
  "RegExp",
  "URL",
  "Map",
  "Set",
  "Error",
  "object",
  "null-prototype",
  "Uint8Array",
  "Float64Array",
  "Buffer",
  "ArrayBuffer",
  "DataView",
  "Function",
  "__proto__",
  "constructor",
  "NaN",
  "-0",
);

export const anyNumber: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324),
);

/** Objects made key by key, so that `__proto__` is an own key. */
function objectOf(
  key: fc.Arbitrary<string>,
  value: fc.Arbitrary<unknown>,
  prototype: object | null = Object.prototype,
): fc.Arbitrary<object> {
  return fc.array(fc.tuple(key, value), { maxLength: 5 }).map((entries) => {
    const object: object = Object.create(prototype);
    for (const [k, v] of entries) {
      Object.defineProperty(object, k, { value: v, enumerable: true, writable: true, configurable: true });
    }
    return object;
  });
}

const bytes = fc.uint8Array({ maxLength: 24 });

function errorOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<Error> {
  return fc
    .tuple(
      fc.constantFrom(Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError),
      anyString,
      value,
      objectOf(fc.oneof(anyString, hostileKey), value),
    )
    .map(([make, message, cause, properties]) => {
      const error = new make(message, { cause });
      for (const [key, item] of Object.entries(properties)) {
        Object.defineProperty(error, key, { value: item, enumerable: true, writable: true, configurable: true });
      }
      return error;
    });
}

/** Values of all kinds that are kept, mixed with what looks like our own tags. */
export const { kept } = fc.letrec<{ kept: unknown }>((tie) => ({
  kept: fc.oneof(
    { maxDepth: 5, depthIdentifier: "kept" },
    anyString,
    nodeKind,
    anyNumber,
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.bigInt(),
    fc.date({ noInvalidDate: false }),
    fc.webUrl().map((url) => new URL(url)),
    fc.constantFrom(/a/g, /[/\]]\n/iu, /(?<n>x)|y/dy),
    bytes,
    bytes.map((b) => Buffer.from(b)),
    bytes.map((b) => b.buffer),
    fc.float32Array({ maxLength: 4 }),
    fc.float64Array({ maxLength: 4 }),
    fc.bigInt64Array({ maxLength: 4 }),
    fc.uint16Array({ maxLength: 4 }),
    fc.array(tie("kept"), { maxLength: 5 }),
    fc.array(fc.tuple(tie("kept"), tie("kept")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("kept"), { maxLength: 4 }).map((items) => new Set(items)),
    objectOf(fc.oneof(anyString, hostileKey), tie("kept")),
    objectOf(fc.oneof(anyString, hostileKey), tie("kept"), null),
    errorOf(tie("kept")),
    fc.record({ $: fc.oneof(nodeKind, tie("kept")), value: tie("kept") }, { requiredKeys: ["$"] }),
    fc.record(
      { $waystone: fc.oneof(fc.constantFrom(1, 2), tie("kept")), value: tie("kept") },
      { requiredKeys: ["$waystone"] },
    ),
  ),
}));
