/** Compares values as V1 promises them: types, bits and order count; an error is its name, message, stack and cause. */
import { types } from "node:util";

/** Where and how two values differ, `undefined` if they do not. */
export function valueDifference(actual: unknown, expected: unknown): string | undefined {
  const pending: Compared[] = [{ actual, expected, name: "$", within: null }];
  // A list instead of recursion: values may be nested deeper than the stack.
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { actual: a, expected: b } = next;
    if (Object.is(a, b)) continue;
    if (!isObject(a) || !isObject(b)) return `${pathOf(next)} is ${show(a)} and not ${show(b)}`;
    const parts = partsOf(b);
    const found = partsOf(a);
    if (found.kind !== parts.kind) return `${pathOf(next)} is ${found.kind} and not ${parts.kind}`;
    if (found.parts.length !== parts.parts.length) {
      return `${pathOf(next)} has ${found.parts.length} parts and not ${parts.parts.length}`;
    }
    // The last one first, so that the first one is looked at next.
    for (let index = parts.parts.length - 1; index >= 0; index--) {
      const [name, value] = parts.parts[index] as Part;
      const [foundName, foundValue] = found.parts[index] as Part;
      if (foundName !== name) return `${pathOf(next)} has ${show(foundName)} where ${show(name)} was`;
      pending.push({ actual: foundValue, expected: value, name, within: next });
    }
  }
  return undefined;
}

/** Two values to compare, and where they stand. */
interface Compared {
  readonly actual: unknown;
  readonly expected: unknown;
  readonly name: string;
  readonly within: Compared | null;
}

function pathOf(place: Compared): string {
  const names: string[] = [];
  for (let each: Compared | null = place; each !== null; each = each.within) names.push(each.name);
  names.reverse();
  return names.length > 40 ? `${names.slice(0, 20).join("")}…${names.slice(-20).join("")}` : names.join("");
}

type Part = readonly [name: string, value: unknown];

function partsOf(value: object): { kind: string; parts: Part[] } {
  const prototype: unknown = Object.getPrototypeOf(value);
  const name = prototype === null ? "an object without prototype" : ((prototype as object).constructor?.name ?? "?");
  if (types.isDate(value)) return { kind: name, parts: [[".getTime()", value.getTime()], ...ownParts(value)] };
  if (types.isMap(value)) {
    const entries = [...value].flatMap(([key, each], index): Part[] => [
      [`.key(${index})`, key],
      [`.value(${index})`, each],
    ]);
    return { kind: name, parts: [...entries, ...ownParts(value)] };
  }
  if (types.isSet(value)) {
    return {
      kind: name,
      parts: [...[...value].map((each, index): Part => [`.member(${index})`, each]), ...ownParts(value)],
    };
  }
  if (types.isAnyArrayBuffer(value)) {
    return { kind: name, parts: [[".bytes", Buffer.from(new Uint8Array(value)).toString("hex")]] };
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { kind: name, parts: [[".bytes", bytes.toString("hex")]] };
  }
  if (types.isRegExp(value)) {
    return {
      kind: name,
      parts: [
        [".source", value.source],
        [".flags", value.flags],
        [".lastIndex", value.lastIndex],
      ],
    };
  }
  if (value instanceof URL) return { kind: name, parts: [[".href", value.href]] };
  if (types.isNativeError(value)) {
    const rest = ownParts(value).filter(([key]) => !ERROR_FIELDS.has(key));
    const cause: Part[] = "cause" in value ? [[".cause", value.cause]] : [];
    return {
      kind: "an error",
      parts: [[".name", value.name], [".message", value.message], [".stack", value.stack], ...cause, ...rest],
    };
  }
  if (Array.isArray(value)) return { kind: name, parts: [[".length", value.length], ...ownParts(value)] };
  return { kind: prototype === Object.prototype ? "a plain object" : name, parts: ownParts(value) };
}

const ERROR_FIELDS: ReadonlySet<string> = new Set(['["name"]', '["message"]', '["stack"]', '["cause"]']);

/** Own enumerable properties, sorted: the order of keys is not promised. */
function ownParts(value: object): Part[] {
  return Reflect.ownKeys(value)
    .filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable)
    .map((key): Part => [`[${typeof key === "symbol" ? String(key) : JSON.stringify(key)}]`, Reflect.get(value, key)])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (isObject(value)) return "an object";
  return Object.is(value, -0) ? "-0" : String(value);
}
