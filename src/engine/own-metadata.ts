/** Metadata that the engine adds its own keys to. */
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import type { Metadata } from "../contract/json.js";
import { kindOf } from "../domain/identifiers.js";
import { isPlainPrototype } from "../domain/realms.js";
import { RESERVED_PREFIX } from "./derived-ids.js";
import { snapshot } from "./snapshot.js";

/**
 * A copy of what the caller gave; whether it is plain JSON the storage decides (V2).
 * @throws InvalidArgumentError for what is no object, and for a key that begins with `waystone.`
 */
export function ownMetadata(metadata: unknown, name: string): Metadata {
  if (metadata === undefined) return {};
  if (metadata === null || typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new InvalidArgumentError(`${name} must be a plain object, not ${kindOf(metadata)}`);
  }
  // Adding keys to an instance of a class would make a plain object of it, and the storage would not refuse it any more.
  if (!isPlainPrototype(Object.getPrototypeOf(metadata))) {
    throw new InvalidArgumentError(`${name} must be a plain object, not an instance of a class`);
  }
  refuseReserved(Object.keys(metadata), name);
  return snapshot(metadata) as Metadata;
}

/** @throws InvalidArgumentError for a key that begins with `waystone.` */
export function refuseReserved(keys: readonly unknown[], name: string): void {
  const reserved = keys.find((key) => typeof key === "string" && key.startsWith(RESERVED_PREFIX));
  if (reserved === undefined) return;
  const key = quoteIdentifier(String(reserved));
  throw new InvalidArgumentError(`${name} must not have the key ${key}: "${RESERVED_PREFIX}" is the engine's own`);
}
