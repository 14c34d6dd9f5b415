/** What a failover tells as it happens: nothing changes in silence. */
import type { StorageError } from "../../contract/errors.js";
import type { OperationName } from "../../contract/operations.js";
import type { Side } from "./side.js";

/**
 * - `primary`: the primary is in charge.
 * - `degraded`: the primary is away, and the fallback is in charge.
 * - `recovering`: the primary is back and is brought up to date; the fallback is in charge.
 */
export type FailoverState = "primary" | "degraded" | "recovering";

export type FailoverEvent =
  | { readonly type: "state"; readonly state: FailoverState; readonly epoch: number }
  /** The fallback cannot be reached, or can again. What it misses is in the journal. */
  | { readonly type: "fallback"; readonly isAway: boolean }
  /** A read was answered by a store that may miss acknowledged writes (`staleReads: "allow"`). */
  | { readonly type: "stale-read"; readonly operation: OperationName; readonly tenant: string; readonly from: Side }
  /** Something cannot be brought over: the store that misses it refuses it, or has something else in its place. */
  | { readonly type: "diverged"; readonly tenant: string; readonly unit: string; readonly error?: StorageError }
  /** Another failover has taken these stores over: this one writes no more. */
  | { readonly type: "superseded" };
