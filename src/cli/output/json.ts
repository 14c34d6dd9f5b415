/** The documents of `--json`. */

import type { JsonValue } from "../../contract/json.js";
import { encodeValue, toPortable } from "../../domain/codec.js";
import { escapeJson } from "./escape.js";

/** JSON text of a document, ended by a line break; dates become RFC 3339 instants in UTC. */
export function jsonText(document: unknown, indent = 0): string {
  return `${escapeJson(JSON.stringify(document, undefined, indent))}\n`;
}

/** A stored value as JSON, the same as in an export: plain values as they are, others in tagged form. */
export function portable(value: unknown): JsonValue {
  return toPortable(encodeValue(value));
}
