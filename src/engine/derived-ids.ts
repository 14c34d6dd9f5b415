/** Identifiers that the engine makes of others: two different lists of parts never give the same one (I1, I2). */
import { createHash } from "node:crypto";
import { MAX_IDENTIFIER_BYTES } from "../domain/identifiers.js";

/** Ids, metadata keys and thread names that begin so are the engine's own. */
export const RESERVED_PREFIX = "waystone.";

/** A part of a derived id; `undefined` is a part that is left open, and differs from every text. */
export type IdPart = string | number | undefined;

/**
 * `kind/part/part…`, with `/` and `~` in the parts escaped. One that would be longer than an identifier may be (I1) becomes
 * `kind#` and the SHA-256 of the long form, which no short form can be equal to.
 */
export function derivedId(kind: string, ...parts: readonly IdPart[]): string {
  const id = [kind, ...parts.map(escaped)].join("/");
  if (Buffer.byteLength(id) <= MAX_IDENTIFIER_BYTES) return id;
  return `${kind}#${createHash("sha256").update(id).digest("hex")}`;
}

function escaped(part: IdPart): string {
  if (part === undefined) return "~2";
  return String(part).replaceAll("~", "~0").replaceAll("/", "~1");
}
