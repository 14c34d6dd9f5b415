/** Stored values as JSON. */
import type { JsonValue } from "../../contract/json.js";
import { encodeValue, toPortable } from "../../domain/codec/codec.js";

/** A stored value as JSON, the same as in an export: plain values as they are, others in tagged form. */
export function portable(value: unknown): JsonValue {
  return toPortable(encodeValue(value));
}
