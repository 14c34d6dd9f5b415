/** The whole contract: all interfaces, lifecycle, health, metrics, tenants and the record stream. */
import type { CallOptions } from "./call.js";
import type { CheckpointStorage } from "./checkpoint-storage.js";
import type { ConversationStorage } from "./conversation-storage.js";
import type { ItemStorage } from "./item-storage.js";
import type { LeaseStorage } from "./lease-storage.js";
import type { ExportFilter, ImportOptions, ImportReport, StorageRecord } from "./records.js";
import type { SessionStorage } from "./session-storage.js";
import type { TaskContextStorage } from "./task-context-storage.js";

/** What an acknowledged write survives: nothing (`memory`), kill -9 of the process, power loss, loss of a machine (F5). */
export type DurabilityLevel = "memory" | "process" | "crash" | "replicated";

/** One thing that was looked at. */
export interface HealthCheck {
  readonly name: string;
  readonly status: "ok" | "warning" | "error";
  /** For people; no credentials. */
  readonly message: string;
}

export interface HealthReport {
  /** `degraded`: it works, and a check warns. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly backend: string;
  readonly tenant: string;
  readonly checkedAt: Date;
  /** How long the check took. */
  readonly latencyMs: number;
  /** The level in force, read from the server; `unknown` when it cannot be read. */
  readonly durability: DurabilityLevel | "unknown";
  readonly checks: readonly HealthCheck[];
}

/** A count that says how far it can be trusted (F7). */
export interface Count {
  readonly value: number;
  readonly exact: boolean;
}

/** Counts of one tenant. */
export interface StorageMetrics {
  readonly backend: string;
  readonly tenant: string;
  readonly collectedAt: Date;
  readonly sessions: Count;
  readonly activeSessions: Count;
  readonly messages: Count;
  readonly threads: Count;
  readonly checkpoints: Count;
  readonly items: Count;
  /** Sums over the sessions. */
  readonly requests: Count;
  readonly errors: Count;
  /** Bytes that the whole store takes, all tenants; absent where that cannot be told. */
  readonly sizeBytes?: Count;
}

/** A store of sessions, conversations, checkpoints, contexts, items and leases, seen by one tenant. */
export interface StorageBackend
  extends SessionStorage,
    ConversationStorage,
    CheckpointStorage,
    TaskContextStorage,
    ItemStorage,
    LeaseStorage {
  /** `memory`, `sqlite`, … */
  readonly kind: string;
  /** The tenant that this view reaches. */
  readonly tenantName: string;
  /** Deadline of calls that set none, in milliseconds (F2). */
  readonly timeoutMs: number;

  /** Opens the store and brings its schema up to date. Idempotent; the first operation does it if nobody did (F3). */
  initialize(options?: CallOptions): Promise<void>;

  /** Refuses new work, waits for what is in flight, lets go of everything. Idempotent. On a tenant's view: of that view only (F4). */
  close(): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;

  /** Never throws (F7). */
  healthCheck(options?: CallOptions): Promise<HealthReport>;

  getMetrics(options?: CallOptions): Promise<StorageMetrics>;

  /**
   * A view that reaches this tenant and nothing else (I2). From the storage that was opened; a tenant's view gives itself
   * for its own name and refuses any other.
   * @throws InvalidArgumentError
   */
  tenant(name: string): StorageBackend;

  /** Records of the tenant, in constant memory (P1). */
  exportRecords(filter?: ExportFilter): AsyncIterable<StorageRecord>;

  /**
   * Stores records as they were, in constant memory (P1). Atomic per bounded batch, not as a whole: run it again with
   * `onConflict` after a failure.
   * @throws ConflictError, InvalidArgumentError (with the record's number)
   */
  importRecords(
    records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>,
    options?: ImportOptions,
  ): Promise<ImportReport>;
}
