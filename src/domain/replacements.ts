/** Replacements of stored values: what callers may ask (P2). */
import { Buffer } from "node:buffer";
import { MAX_REPLACEMENTS, type StoredReplacement } from "../contract/stored-replacement.js";
import { type Fields, integer, knownFields, oneOf } from "./arguments.js";
import { checkpointNamespace, etagArgument } from "./checkpoint-arguments.js";
import { encodeText, encodeValue } from "./codec/codec.js";
import type { ReplacementRow } from "./driver/replacements.js";
import { identifier } from "./identifiers.js";
import { encodeItemValue } from "./items.js";
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

/** @throws InvalidArgumentError, SerializationError */
export function parseReplacements(value: unknown): ReplacementRow[] {
  const all = listOf(value, "replacements", MAX_REPLACEMENTS);
  return Array.from(all, (each, i) => parseReplacement(each, `replacements[${i}]`));
}

function parseReplacement(value: unknown, name: string): ReplacementRow {
  const kind = oneOf((value as Partial<StoredReplacement> | null)?.kind, `${name}.kind`, KINDS);
  const given: Fields = knownFields(value, name, ["kind", "from", "to", ...PLACES[kind]]);
  const id = (field: string): string => identifier(given[field], `${name}.${field}`);
  const number = (field: string, min?: number): number =>
    integer(given[field], `${name}.${field}`, min === undefined ? {} : { min });
  /** What must be there and what takes its place have the same fields. */
  const swapped = <T>(fields: readonly string[], read: (fields: Fields, name: string) => T): { from: T; to: T } => ({
    from: read(knownFields(given.from, `${name}.from`, fields), `${name}.from`),
    to: read(knownFields(given.to, `${name}.to`, fields), `${name}.to`),
  });
  const metadata = (fields: Fields, of: string): string => encodeMetadata(fields.metadata, `${of}.metadata`);
  switch (kind) {
    case "session":
      return {
        kind,
        sessionId: id("sessionId"),
        ...swapped(["metadata"], (fields, of) => ({ metadata: metadata(fields, of) })),
      };
    case "message":
      return {
        kind,
        sessionId: id("sessionId"),
        seq: number("seq", 1),
        ...swapped(["content", "metadata"], (fields, of) => ({
          content: encodeValue(parseContent(fields.content, `${of}.content`)),
          metadata: metadata(fields, of),
        })),
      };
    case "task_context":
      return {
        kind,
        sessionId: id("sessionId"),
        version: number("version", 1),
        ...swapped(["context", "metadata"], (fields, of) => {
          const context = encodeValue(fields.context);
          return { context, metadata: metadata(fields, of), sizeBytes: Buffer.byteLength(context) };
        }),
      };
    case "checkpoint": {
      const from = knownFields(given.from, `${name}.from`, ["etag", "data", "metadata"]);
      const to = knownFields(given.to, `${name}.to`, ["data", "metadata"]);
      const data = encodeText(to.data);
      const known =
        from.etag === undefined
          ? ({ etag: null, data: encodeValue(from.data) } as const)
          : ({ etag: etagArgument(from.etag), data: null } as const);
      return {
        kind,
        threadId: id("threadId"),
        namespace: checkpointNamespace(given.namespace),
        checkpointId: id("checkpointId"),
        from: { ...known, metadata: metadata(from, `${name}.from`) },
        to: { data, sizeBytes: data.bytes, metadata: metadata(to, `${name}.to`) },
      };
    }
    case "write":
      return {
        kind,
        threadId: id("threadId"),
        namespace: checkpointNamespace(given.namespace),
        checkpointId: id("checkpointId"),
        taskId: id("taskId"),
        index: number("index"),
        ...swapped(["value"], (fields) => ({ value: encodeValue(fields.value) })),
      };
    case "item":
      return {
        kind,
        namespace: parseNamespace(given.namespace, `${name}.namespace`, { allowEmpty: false }),
        key: id("key"),
        ...swapped(["value"], (fields, of) => ({ value: encodeItemValue(fields.value, `${of}.value`) })),
      };
  }
}
