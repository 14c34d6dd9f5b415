/** What the reference model holds of one tenant: plain Maps. Times are milliseconds since the epoch. */
import type { CheckpointWrite } from "../../../contract/checkpoint-storage.js";
import type { Message } from "../../../contract/conversation-storage.js";
import type { StorageErrorCode } from "../../../contract/errors.js";
import type { JsonObject, Metadata, MetadataFilter, MetadataInput } from "../../../contract/json.js";
import type { Session, SessionStatus } from "../../../contract/session-storage.js";

export interface ModelContextVersion {
  readonly version: number;
  readonly context: unknown;
  readonly metadata: Metadata;
  readonly createdAt: number;
}

/** Sessions that share a context hold the same object (T3). */
export interface ModelContext {
  lastVersion: number;
  versions: ModelContextVersion[];
}

export interface ModelSession {
  readonly sessionId: string;
  readonly userId: string;
  status: SessionStatus;
  metadata: Metadata;
  readonly createdAt: number;
  updatedAt: number;
  version: number;
  requestCount: number;
  totalProcessingTime: number;
  errorCount: number;
  lastSeq: number;
  readonly ttlMs: number | undefined;
  messages: Message[];
  context: ModelContext;
  /** By key: what the update was, when, and what it gave (S5). */
  readonly idempotency: Map<string, { readonly payload: unknown; readonly at: number; readonly result: Session }>;
}

export interface ModelCheckpoint {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly seq: number;
  readonly createdAt: number;
  parentId: string | undefined;
  sessionId: string | undefined;
  metadata: Metadata;
  needsParent: boolean;
  data: unknown;
}

/** Writes of one task at one checkpoint, which need not be there yet (K3). */
export interface ModelWrite extends CheckpointWrite {
  readonly namespace: string;
  readonly checkpointId: string;
}

export interface ModelThread {
  readonly threadId: string;
  sessionId: string | undefined;
  readonly createdAt: number;
  updatedAt: number;
  lastSeq: number;
  checkpoints: ModelCheckpoint[];
  writes: ModelWrite[];
}

export interface ModelItem {
  readonly namespace: readonly string[];
  readonly key: string;
  readonly value: JsonObject;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly ttlMs: number | undefined;
  readonly expiresAt: number | undefined;
  readonly vectors: readonly (readonly number[])[];
}

export interface ModelLease {
  readonly token: number;
  readonly owner: string;
  readonly ttlMs: number;
  readonly acquiredAt: number;
  expiresAt: number;
}

export interface TenantState {
  readonly now: () => number;
  readonly sessions: Map<string, ModelSession>;
  /** Ids of sessions that are gone for readers; a store may still have them until the next cleanup. */
  readonly expired: Set<string>;
  readonly threads: Map<string, ModelThread>;
  /** By `itemKey`. */
  items: Map<string, ModelItem>;
  /** Of the vectors below a first label. */
  dimensions: Map<string, number>;
  /** By `leaseKey`. */
  readonly leases: Map<string, ModelLease>;
  lastToken: number;
}

export function emptyTenant(now: () => number): TenantState {
  return {
    now,
    sessions: new Map(),
    expired: new Set(),
    threads: new Map(),
    items: new Map(),
    dimensions: new Map(),
    leases: new Map(),
    lastToken: 0,
  };
}

/** What a backend would reject with; nothing was changed. */
export class Refusal extends Error {
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode) {
    super(code);
    this.code = code;
  }
}

/** Code points, as UTF-8 bytes are ordered. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Nothing that the caller still holds is kept, nothing that is kept is given out. */
export function copy<T>(value: T): T {
  return structuredClone(value);
}

/** Metadata as it is stored: an `undefined` value means no such key. */
export function storedMetadata(metadata: MetadataInput = {}): Metadata {
  return copy(Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)) as Metadata);
}

/** Equality of top-level keys with scalars (S7). */
export function hasMetadata(metadata: Metadata, filter: MetadataFilter = {}): boolean {
  return Object.entries(filter).every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value);
}
