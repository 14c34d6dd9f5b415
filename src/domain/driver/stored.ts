/**
 * Stored shapes: what drivers keep and give back. Times are milliseconds since the epoch, encoded values are the codec's text
 * (opaque to a driver), metadata is plain JSON text, absent is `null`.
 */
import type { SessionStatus } from "../../contract/session-storage.js";
import type { StoredText } from "../codec/long-text.js";

export interface StoredSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly status: SessionStatus;
  readonly metadata: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
  readonly requestCount: number;
  readonly totalProcessingTime: number;
  readonly errorCount: number;
  readonly messageCount: number;
  readonly lastSeq: number;
  readonly ttlMs: number | null;
}

export interface StoredMessage {
  readonly seq: number;
  readonly messageId: string;
  readonly role: string;
  readonly content: StoredText;
  readonly metadata: string;
  readonly timestamp: number;
}

export interface StoredWrite {
  readonly taskId: string;
  readonly taskPath: string;
  readonly index: number;
  readonly channel: string;
  readonly value: StoredText;
}

export interface StoredCheckpoint {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId: string | null;
  readonly sessionId: string | null;
  readonly metadata: string;
  readonly seq: number;
  readonly createdAt: number;
  readonly needsParent: boolean;
  /** UTF-8 bytes of the encoded state. */
  readonly sizeBytes: number;
  /** Equal ones of a thread mean equal states (K5); `null` where there is none. */
  readonly etag: string | null;
  /** `null` unless it was asked for. */
  readonly data: StoredText | null;
  /** `null` unless they were asked for; in the order of K3. */
  readonly writes: readonly StoredWrite[] | null;
}

export interface StoredThread {
  readonly threadId: string;
  readonly sessionId: string | null;
  readonly checkpointCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface StoredContext {
  readonly version: number;
  readonly context: StoredText | null;
  readonly sizeBytes: number;
  readonly metadata: string;
  readonly createdAt: number;
}

export interface StoredItem {
  readonly namespace: readonly string[];
  readonly key: string;
  /** Plain JSON text of an object. */
  readonly value: string;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly ttlMs: number | null;
  readonly expiresAt: number | null;
}

/** One or more vectors of an item (M4), one after the other. */
export interface StoredVectors {
  readonly dimensions: number;
  /** As many times `dimensions` numbers as there are vectors, all finite. Never changed. */
  readonly values: Float32Array;
}

export interface StoredLease {
  readonly token: number;
  readonly owner: string;
  readonly ttlMs: number;
  readonly acquiredAt: number;
  readonly expiresAt: number;
}

/** Rows of a keyset page: at most `limit`, and whether there are more. */
export interface Rows<T> {
  readonly rows: T[];
  readonly more: boolean;
}
