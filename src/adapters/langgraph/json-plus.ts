/** Reads what LangGraph's JSON-plus serialiser wrote, with the closed table of message classes instead of its loader. */
import { DeltaSnapshot } from "@langchain/langgraph-checkpoint";
import { CorruptionError, quoteIdentifier } from "../../contract/errors.js";
import { type Fields, makeDocument, makeMessage } from "./message-classes.js";

/**
 * The value of a text (or of its UTF-8 bytes) that the official serialiser wrote with type `json`.
 *
 * Messages and documents of LangChain become instances; a class outside the table stays the plain object that stands in the
 * text, so no data can name code.
 * @throws CorruptionError when it is not JSON
 */
export function decodeJsonPlus(data: string | Uint8Array): unknown {
  return decodeAndTell(data, ignore);
}

/** What the text shows not to be what the application handed to the serialiser. */
export interface JsonPlusFlaw {
  /** `mangled`: the serialiser put something else in its place. `unknown-class`: an instance that stays plain data. */
  readonly kind: "mangled" | "unknown-class";
  /** In words, without content. */
  readonly reason: string;
}

type Tell = (flaw: JsonPlusFlaw) => void;

function ignore(): void {}

/** What the serialiser writes for a value that it cannot write, such as one with a bigint in it: all of the value is lost. */
const UNSERIALISABLE = "[unable to serialize, circular reference is too complex to analyze]";

/** Texts that the serialiser writes in the place of something else. */
const PLACEHOLDERS: ReadonlyMap<string, string> = new Map([
  [UNSERIALISABLE, "the serialiser could not write the value and wrote a text about that"],
  ["[Circular]", "the serialiser wrote [Circular] for an object that holds itself"],
]);

/** As `decodeJsonPlus`, and tells each flaw that it meets. */
export function decodeAndTell(data: string | Uint8Array, tell: Tell): unknown {
  let tree: unknown;
  try {
    tree = JSON.parse(typeof data === "string" ? data : new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch (cause) {
    throw new CorruptionError("this is not what the JSON-plus serialiser writes", { cause });
  }
  return revive(tree, tell);
}

function revive(value: unknown, tell: Tell): unknown {
  if (typeof value === "string") {
    const reason = PLACEHOLDERS.get(value);
    if (reason !== undefined) tell({ kind: "mangled", reason });
    return value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => revive(item, tell));
  const fields = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item, tell)]));
  if (fields.type === "Buffer" && Array.isArray(fields.data)) {
    tell({ kind: "mangled", reason: "the serialiser wrote a Buffer as a list of numbers" });
  }
  const revived = reviveTagged(fields);
  if (revived === fields) tellUnknown(fields, tell);
  return revived;
}

/** The value of an object that the serialisers have tagged; any other one as it is. */
function reviveTagged(fields: Fields): unknown {
  if (fields.lc === 1 && fields.type === "constructor") return reviveLangChain(fields);
  if (fields.lc !== 2) return fields;
  if (fields.type === "undefined") return undefined;
  if (fields.type === "delta_snapshot" && "value" in fields) return new DeltaSnapshot(fields.value);
  return fields.type === "constructor" ? reviveBuiltIn(fields) : fields;
}

function tellUnknown({ lc, type, id }: Fields, tell: Tell): void {
  if ((lc !== 1 && lc !== 2) || (type !== "constructor" && type !== "not_implemented") || !Array.isArray(id)) return;
  const name = quoteIdentifier(id.map(String).join("."));
  tell({ kind: "unknown-class", reason: `an object that names the class ${name} stays plain data` });
}

function reviveLangChain(fields: Fields): unknown {
  const { id, kwargs } = fields;
  if (!Array.isArray(id) || typeof kwargs !== "object" || kwargs === null) return fields;
  const [root, ...rest] = id as unknown[];
  if (root !== "langchain_core") return fields;
  const [part, name] = rest;
  if (part === "messages" && typeof name === "string") return makeMessage(name, kwargs as Fields) ?? fields;
  if (part === "documents" && rest.at(-1) === "Document") return makeDocument(kwargs as Fields);
  return fields;
}

/** The five classes that the serialiser writes itself. What does not fit stays as it is. */
function reviveBuiltIn(fields: Fields): unknown {
  const { id, args, method } = fields;
  const name = Array.isArray(id) && id.length === 1 ? id[0] : undefined;
  if (!Array.isArray(args) || (method !== null && method !== undefined && method !== "from")) return fields;
  const [first, second] = args as unknown[];
  switch (name) {
    case "Set":
      return Array.isArray(first) ? new Set(first) : fields;
    case "Map":
      return Array.isArray(first) && first.every((entry) => Array.isArray(entry) && entry.length === 2)
        ? new Map(first as [unknown, unknown][])
        : fields;
    case "RegExp":
      return typeof first === "string" && typeof second === "string" ? (regExp(first, second) ?? fields) : fields;
    case "Error":
      return typeof first === "string" ? new Error(first) : fields;
    case "Uint8Array":
      return Array.isArray(first) && first.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)
        ? new Uint8Array(first as number[])
        : fields;
    default:
      return fields;
  }
}

function regExp(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
