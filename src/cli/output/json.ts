/** The documents of `--json`. */
import { escapeJson } from "./escape.js";

/** JSON text of a document, ended by a line break; dates become RFC 3339 instants in UTC. */
export function jsonText(document: unknown): string {
  return `${escapeJson(JSON.stringify(document))}\n`;
}

/** A value as JSON for a field in text or a table: one line unless it is indented. */
export function jsonField(value: unknown, indent = 0): string {
  return escapeJson(JSON.stringify(value, undefined, indent));
}
