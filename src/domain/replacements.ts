/** Replacements of stored values: what callers may ask (P2). */
import { MAX_REPLACEMENTS, type StoredReplacement } from "../contract/stored-replacement.js";
import { type Fields, integer, knownFields, oneOf } from "./arguments.js";
import { checkpointNamespace, etagArgument } from "./checkpoint-arguments.js";
import { takeText, ValueSnapshot } from "./codec/codec.js";
import type { EncodedText } from "./codec/encoded-text.js";
import type { ReplacementRow } from "./driver/replacements.js";
import { identifier } from "./identifiers.js";
import { Intake } from "./intake.js";
import { takeItemValue } from "./item-values.js";
import { listOf } from "./lists.js";
import { parseContent } from "./message-content.js";
import { encodeMetadata } from "./metadata.js";
import { parseNamespace } from "./namespaces.js";

const PLACES = {
  session: ["sessionId"],
  message: ["sessionId", "seq"],
  task_context: ["sessionId", "version"],
  checkpoint: ["threadId", "namespace", "checkpointId"],
  write: ["threadId", "namespace", "checkpointId", "taskId", "index"],
  item: ["namespace", "key"],
} as const;

const KINDS = Object.keys(PLACES) as (keyof typeof PLACES)[];

/** A replacement whose values were taken, made in steps. */
export type TakenReplacement = () => Generator<void, ReplacementRow, void>;

/** The replacements as they are at this moment. @throws InvalidArgumentError, SerializationError */
export function takeReplacements(value: unknown): TakenReplacement[] {
  const all = listOf(value, "replacements", MAX_REPLACEMENTS);
  const intake = new Intake();
  return Array.from(all, (each, i) => takeReplacement(each, `replacements[${i}]`, intake));
}

function takeReplacement(value: unknown, name: string, intake: Intake): TakenReplacement {
  const kind = oneOf((value as Partial<StoredReplacement> | null)?.kind, `${name}.kind`, KINDS);
  const given: Fields = knownFields(value, name, ["kind", "from", "to", ...PLACES[kind]]);
  const id = (field: string): string => identifier(given[field], `${name}.${field}`);
  const number = (field: string, min?: number): number =>
    integer(given[field], `${name}.${field}`, min === undefined ? {} : { min });
  const metadata = (fields: Fields, of: string): string => encodeMetadata(fields.metadata, `${of}.metadata`, intake);
  /** What must be there and what takes its place have the same fields. */
  const swapped = <T>(fields: readonly string[], take: (fields: Fields, name: string) => () => Steps<T>) => {
    const from = take(knownFields(given.from, `${name}.from`, fields), `${name}.from`);
    const to = take(knownFields(given.to, `${name}.to`, fields), `${name}.to`);
    return function* (): Steps<{ readonly from: T; readonly to: T }> {
      return { from: yield* from(), to: yield* to() };
    };
  };
  switch (kind) {
    case "session": {
      const place = { kind, sessionId: id("sessionId") };
      const values = swapped(["metadata"], (fields, of) => {
        const text = metadata(fields, of);
        // biome-ignore lint/correctness/useYield: like the others, and there is nothing to do in steps
        return function* () {
          return { metadata: text };
        };
      });
      return function* () {
        return { ...place, ...(yield* values()) };
      };
    }
    case "message": {
      const place = { kind, sessionId: id("sessionId"), seq: number("seq", 1) };
      const values = swapped(["content", "metadata"], (fields, of) => {
        const content = takeText(parseContent(fields.content, `${of}.content`), intake);
        const text = metadata(fields, of);
        return function* () {
          return { content: String(yield* encoded(content)), metadata: text };
        };
      });
      return function* () {
        return { ...place, ...(yield* values()) };
      };
    }
    case "task_context": {
      const place = { kind, sessionId: id("sessionId"), version: number("version", 1) };
      const values = swapped(["context", "metadata"], (fields, of) => {
        const context = takeText(fields.context, intake);
        const text = metadata(fields, of);
        return function* () {
          const whole = yield* encoded(context);
          return { context: String(whole), metadata: text, sizeBytes: whole.bytes };
        };
      });
      return function* () {
        return { ...place, ...(yield* values()) };
      };
    }
    case "checkpoint": {
      const from = knownFields(given.from, `${name}.from`, ["etag", "data", "metadata"]);
      const to = knownFields(given.to, `${name}.to`, ["data", "metadata"]);
      const data = takeText(to.data, intake);
      const etag = from.etag === undefined ? null : etagArgument(from.etag);
      const known = etag === null ? takeText(from.data, intake) : null;
      const place = {
        kind,
        threadId: id("threadId"),
        namespace: checkpointNamespace(given.namespace),
        checkpointId: id("checkpointId"),
      };
      const before = metadata(from, `${name}.from`);
      const after = metadata(to, `${name}.to`);
      return function* () {
        const text = yield* encoded(data);
        const state =
          known === null
            ? ({ etag: etag as string, data: null } as const)
            : ({ etag: null, data: String(yield* encoded(known)) } as const);
        return {
          ...place,
          from: { ...state, metadata: before },
          to: { data: text, sizeBytes: text.bytes, metadata: after },
        };
      };
    }
    case "write": {
      const place = {
        kind,
        threadId: id("threadId"),
        namespace: checkpointNamespace(given.namespace),
        checkpointId: id("checkpointId"),
        taskId: id("taskId"),
        index: number("index"),
      };
      const values = swapped(["value"], (fields) => {
        const taken = takeText(fields.value, intake);
        return function* () {
          return { value: String(yield* encoded(taken)) };
        };
      });
      return function* () {
        return { ...place, ...(yield* values()) };
      };
    }
    case "item": {
      const namespace = parseNamespace(given.namespace, `${name}.namespace`, { allowEmpty: false });
      const place = { kind, namespace, key: id("key") };
      const values = swapped(["value"], (fields, of) => {
        const taken = takeItemValue(fields.value, `${of}.value`, intake);
        return function* () {
          return { value: typeof taken === "string" ? taken : String(yield* taken.encode()) };
        };
      });
      return function* () {
        return { ...place, ...(yield* values()) };
      };
    }
  }
}

type Steps<T> = Generator<void, T, void>;

function* encoded(taken: EncodedText | ValueSnapshot): Steps<EncodedText> {
  return taken instanceof ValueSnapshot ? yield* taken.encode() : taken;
}
