/** Names that a store which pastes strings together, compares them loosely or takes some for patterns would mix up. */
import type { JsonScalar } from "../../../contract/json.js";
import { ROOT_TENANT } from "./command.js";

export type Pool<T> = readonly [T, ...T[]];

/** Above U+FFFF, and the next after it by UTF-16 unit although before it by code point. */
export const ASTRAL = "\u{1F600}";
export const HIGH_UNIT = "\uFF5E";

export type Subject = "sessions" | "conversations" | "task contexts" | "checkpoints" | "items" | "leases";

/** What one program is about, and the names that it uses: few, so that its commands meet. */
export interface Cast {
  readonly subjects: Pool<Subject>;
  readonly tenants: Pool<string>;
  readonly sessions: Pool<string>;
  readonly threads: Pool<string>;
  readonly checkpoints: Pool<string>;
  readonly checkpointNamespaces: Pool<string>;
  readonly itemNamespaces: Pool<readonly string[]>;
  readonly itemKeys: Pool<string>;
  readonly metadataKeys: Pool<string>;
  /** Values of metadata and items, and of the filters that look for them. */
  readonly scalars: Pool<JsonScalar>;
}

/** All names. Tenant `a` with session `a:b` and tenant `a:a` with session `b` are one key to whoever joins with a colon. */
export const EVERYBODY: Cast = {
  subjects: ["sessions", "conversations", "task contexts", "checkpoints", "items", "leases"],
  tenants: [ROOT_TENANT, "a", "a:a"],
  sessions: ["a", "b", "a:b", "__proto__", "%", ASTRAL, HIGH_UNIT],
  threads: ["t", "a", "t:n", "__proto__", ASTRAL, HIGH_UNIT],
  checkpoints: ["c1", "c2", "c3", "n:c1", "C1", "../c1"],
  checkpointNamespaces: ["", "n", "n:n"],
  itemNamespaces: [
    ["m"],
    ["m", "a"],
    ["m", "ab"],
    ["m:a"],
    ["m", "a", "x"],
    ["%", ASTRAL],
    ["%", HIGH_UNIT],
    ["__proto__"],
  ],
  itemKeys: ["k", "a:k", "%", "__proto__"],
  scalars: [1, "1", true, "true", null, 2, "", 1.5, false, ASTRAL, HIGH_UNIT],
  metadataKeys: ["k", "l", "__proto__", "a.b", '"$x'],
};
