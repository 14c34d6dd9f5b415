/** Names that a store which pastes strings together, compares them loosely or takes some for patterns would mix up. */
import type { JsonScalar } from "../../../contract/json.js";
import { ROOT_TENANT } from "./command.js";

export type Pool<T> = readonly [T, ...T[]];

/** Above U+FFFF, and the next after it by UTF-16 unit although before it by code point. */
export const ASTRAL = "\u{1F600}";
export const HIGH_UNIT = "\uFF5E";

export type Subject = "sessions" | "conversations" | "task contexts" | "checkpoints" | "items" | "leases";

/** What one program is about, and the names and values that it uses: few, so that its commands meet. */
export interface Cast {
  readonly subjects: Pool<Subject>;
  /** How many handles on the store are open at once. */
  readonly handles: number;
  readonly tenants: Pool<string>;
  readonly sessions: Pool<string>;
  readonly threads: Pool<string>;
  readonly checkpoints: Pool<string>;
  readonly checkpointNamespaces: Pool<string>;
  /** Tasks, and their paths. */
  readonly tasks: Pool<string>;
  readonly itemNamespaces: Pool<readonly string[]>;
  readonly itemKeys: Pool<string>;
  readonly metadataKeys: Pool<string>;
  /** Values of metadata and items, and of the filters that look for them. */
  readonly scalars: Pool<JsonScalar>;
  /** Times to live, in milliseconds. */
  readonly ttls: Pool<number>;
  /** In percent, how many sessions and items have a time to live. */
  readonly mortality: number;
  /** Items are found by what is in their values, and sessions and checkpoints by their metadata. */
  readonly itemFilters: boolean;
  readonly metadataFilters: boolean;
  /** Sessions share task contexts, and one batch of items reaches below several first labels. */
  readonly sharedContexts: boolean;
  readonly batchesAcrossLabels: boolean;
  /** Items have vectors. */
  readonly vectors: boolean;
}

/**
 * All names. Those that a store may take for each other stand side by side, as a cast takes neighbours: tenant `a` with session
 * `a:b` and tenant `a:a` with session `b` are one key to whoever joins with a colon.
 */
export const EVERYBODY: Cast = {
  subjects: ["sessions", "conversations", "task contexts", "checkpoints", "items", "leases"],
  handles: 1,
  tenants: [ROOT_TENANT, "a", "a:a"],
  sessions: ["a", "b", "a:b", "A", "%", "_", "\u00E9", "e\u0301", ASTRAL, HIGH_UNIT, "__proto__"],
  threads: ["t", "t:n", "T", "%", "_", "\u00E9", "e\u0301", ASTRAL, HIGH_UNIT, "__proto__", "a"],
  checkpoints: ["c1", "c2", "c3", "C1", "n:c1", "../c1"],
  checkpointNamespaces: ["", "n", "n:n"],
  tasks: ["k1", ASTRAL, HIGH_UNIT, "k2"],
  itemNamespaces: [
    ["m"],
    ["m", "a"],
    ["m", "ab"],
    ["m", "a", "x"],
    ["m:a"],
    ["%", ASTRAL],
    ["%", HIGH_UNIT],
    ["__proto__"],
  ],
  itemKeys: ["k", "a:k", "%", "__proto__"],
  metadataKeys: ["k", "l", "__proto__", "a.b", '"$x'],
  scalars: [1, "1", true, "true", null, "null", false, "", 2, 1.5, ASTRAL, HIGH_UNIT],
  ttls: [1_800_000, 1_800_001, 90_000_000, 60_000, 1],
  mortality: 10,
  itemFilters: true,
  metadataFilters: true,
  sharedContexts: true,
  batchesAcrossLabels: true,
  vectors: true,
};
