/**
 * For those who write a backend: the port, the function that makes a storage of it, and the rules that every driver calls
 * instead of writing them again. `docs/writing-a-backend.md` says how they fit together.
 */
import "./require-node.js";

export { DEFAULT_TENANT, type StorageBackendOptions, storageBackend } from "./domain/backend/storage-backend.js";
export { compareWrites } from "./domain/checkpoints.js";
export { type Clock, systemClock } from "./domain/clock.js";
export { EncodedText } from "./domain/codec/encoded-text.js";
export { LongText, type StoredText } from "./domain/codec/long-text.js";
export type { Call, CallName, FencingToken } from "./domain/driver/call.js";
export type { GroupVerdict, ImportBatch, ImportGroup, ImportRow, ImportSubject } from "./domain/driver/imports.js";
export type {
  ItemCount,
  ItemListing,
  ItemStep,
  ItemStepResult,
  NamespaceListing,
  NearestListing,
  NearestPosition,
  ScoredItem,
} from "./domain/driver/items.js";
export type { CheckpointReplacementRow, ReplacementOf, ReplacementRow } from "./domain/driver/replacements.js";
export type {
  CheckpointDriver,
  CheckpointListing,
  ConversationDriver,
  DeletionCounts,
  DriverHealth,
  DriverMetrics,
  HistoryWindow,
  ItemDriver,
  LeaseDriver,
  NewStoredCheckpoint,
  NewStoredMessage,
  NewStoredSession,
  SessionChange,
  SessionDriver,
  SessionListing,
  StorageDriver,
  TaskContextDriver,
  ThreadListing,
  TimePosition,
  WantedCheckpoint,
} from "./domain/driver/storage-driver.js";
export type {
  Rows,
  StoredCheckpoint,
  StoredContext,
  StoredItem,
  StoredLease,
  StoredMessage,
  StoredSession,
  StoredThread,
  StoredVectors,
  StoredWrite,
} from "./domain/driver/stored.js";
export { compareCodePoints, MAX_IDENTIFIER_BYTES } from "./domain/identifiers.js";
export { UpdatedValues, updateStored } from "./domain/item-changes.js";
export type { CompiledItemFilter, ItemCondition } from "./domain/item-filter.js";
export { isDeletable, isItemExpired, itemOrder, putStored, refreshStored } from "./domain/items.js";
export { assertCurrentLease, mayAcquire } from "./domain/leases.js";
export { matchesMetadata } from "./domain/metadata-filter.js";
export { compareNamespaces, endsWithLabels, startsWithLabels } from "./domain/namespaces.js";
export { type Candidate, type ComparableVectors, comparableVectors, Ranking } from "./domain/nearest.js";
export {
  type NeededParent,
  NO_PRUNE_COUNTS,
  neededOfNamed,
  type PrunableCheckpoint,
  type PruneCounts,
  type PruneRule,
  planPrune,
  planPruneInSteps,
  sumOfPruneCounts,
} from "./domain/pruning.js";
export { doubledId } from "./domain/records/import-refusals.js";
export {
  checkpointRecord,
  itemRecord,
  messageRecord,
  sessionRecord,
  taskContextRecord,
  threadRecord,
  writeRecord,
} from "./domain/records/to-records.js";
export type { Outline } from "./domain/segments/outline.js";
export { RecentOutlines } from "./domain/segments/recent-outlines.js";
export { markBlocks, type ReadBlocks, restoreState } from "./domain/segments/restore.js";
export { type NewBlock, type SplitState, splitState } from "./domain/segments/split.js";
export { isListed } from "./domain/session-listing.js";
export {
  applySessionChange,
  assertSamePayload,
  endStored,
  IDEMPOTENCY_RETENTION_MS,
  isExpired,
  newSession,
  touchedAt,
} from "./domain/sessions.js";
export { KEEP_CONTEXT_VERSIONS, newestDroppedVersion, nextContextVersion } from "./domain/task-contexts.js";
export { assertDimensions } from "./domain/vectors.js";
