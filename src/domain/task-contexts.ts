/** Task contexts: numbering of versions, and what a reader sees (T1, T2). */
import { ConflictError, CorruptionError } from "../contract/errors.js";
import type { TaskContext, TaskContextInfo } from "../contract/task-context-storage.js";
import { integer } from "./arguments.js";
import { decodeInSteps, decodeValue, isLongText } from "./codec/codec.js";
import type { StoredText } from "./codec/long-text.js";
import type { StoredContext } from "./driver/stored.js";
import type { RowDecoder } from "./large-values.js";
import { decodeMetadata } from "./metadata.js";

/** How many of the newest versions are kept (T2). */
export const KEEP_CONTEXT_VERSIONS = 20;

/** A driver's option `keepVersions`. */
export function keepVersionsOption(value: unknown): number {
  return value === undefined ? KEEP_CONTEXT_VERSIONS : integer(value, "keepVersions", { min: 1, max: 10_000 });
}

/**
 * The version that a store makes after `newest`, which is 0 for none yet.
 * @throws ConflictError when `expectedVersion` is not the newest
 */
export function nextContextVersion(newest: number, expectedVersion: number | null): number {
  if (expectedVersion !== null && expectedVersion !== newest) {
    throw new ConflictError(`the task context is at version ${newest}, not at the expected version ${expectedVersion}`);
  }
  return newest + 1;
}

/** Versions up to this one are dropped once `newest` is stored. */
export function newestDroppedVersion(newest: number, keepVersions: number): number {
  return newest - keepVersions;
}

export function toContextInfo(sessionId: string, stored: StoredContext): TaskContextInfo {
  return {
    sessionId,
    version: stored.version,
    metadata: decodeMetadata(stored.metadata),
    createdAt: new Date(stored.createdAt),
    sizeBytes: stored.sizeBytes,
  };
}

/** Stored versions as callers see them. Decoding throws CorruptionError when the content is missing or damaged. */
export function contextDecoder(sessionId: string): RowDecoder<StoredContext, TaskContext> {
  return {
    isLong: ({ context }) => context !== null && isLongText(context),
    decode: (stored) => ({ ...toContextInfo(sessionId, stored), context: decodeValue(String(contentOf(stored))) }),
    *inSteps(stored) {
      return { ...toContextInfo(sessionId, stored), context: yield* decodeInSteps(contentOf(stored)) };
    },
  };
}

function contentOf({ context, version }: StoredContext): StoredText {
  if (context === null) throw new CorruptionError(`the content of task context version ${version} is missing`);
  return context;
}
