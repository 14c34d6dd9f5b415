/** Waystone: durable state for AI agents, one contract over every store. */
import "./require-node.js";

export type {
  CallOptions,
  Lease,
  LeaseHeld,
  LeaseSubject,
  Page,
  PageQuery,
  TimeRange,
} from "./contract/call.js";
export { type ChangeFeed, type ChangeListener, changeFeed, type StoreChange } from "./contract/change-feed.js";
export type {
  Checkpoint,
  CheckpointDeletion,
  CheckpointInfo,
  CheckpointStorage,
  CheckpointWrite,
  DeleteCheckpointsOptions,
  GetCheckpointOptions,
  GetWritesOptions,
  ListCheckpointsOptions,
  ListedCheckpoint,
  PruneOptions,
  PrunePolicy,
  PruneReport,
  PutWritesOptions,
  StoreCheckpointOptions,
  ThreadInfo,
  ThreadQuery,
  WriteInput,
} from "./contract/checkpoint-storage.js";
export type {
  AddMessageOptions,
  AddMessagesOptions,
  ContentPart,
  ConversationStorage,
  HistoryOptions,
  Message,
  MessageContent,
  MessageOptions,
  MessageRange,
  MessageRole,
  NewMessage,
} from "./contract/conversation-storage.js";
export {
  AbortedError,
  CallRefusedError,
  ClosedError,
  ConflictError,
  CorruptionError,
  FencedError,
  InvalidArgumentError,
  isStorageError,
  SerializationError,
  SessionExistsError,
  SessionNotFoundError,
  StorageConnectionError,
  StorageError,
  type StorageErrorCode,
  type StorageErrorOptions,
  type StorageErrorOutcome,
  StorageTimeoutError,
  UnsupportedError,
} from "./contract/errors.js";
export type {
  CountItemsOptions,
  DeleteItemOptions,
  GetItemOptions,
  Item,
  ItemChange,
  ItemComparison,
  ItemFilter,
  ItemNamespace,
  ItemOperation,
  ItemQuery,
  ItemResult,
  ItemStorage,
  NamespaceQuery,
  PutItemOptions,
  Similarity,
  UpdateItemOptions,
  Vector,
  VectorDistance,
} from "./contract/item-storage.js";
export type {
  JsonObject,
  JsonScalar,
  JsonValue,
  Metadata,
  MetadataFilter,
  MetadataInput,
} from "./contract/json.js";
export type { AcquireLeaseOptions, LeaseStorage, RenewLeaseOptions } from "./contract/lease-storage.js";
export {
  OPERATION_NAMES,
  OPERATIONS,
  type OperationAccess,
  type OperationName,
  type OperationSubject,
  type OperationTraits,
  type RetrySafety,
} from "./contract/operations.js";
export type {
  CheckpointRecord,
  ExportFilter,
  ImportOptions,
  ImportReport,
  ItemRecord,
  MessageRecord,
  RecordKind,
  SessionRecord,
  StorageRecord,
  TaskContextRecord,
  ThreadRecord,
  WriteRecord,
} from "./contract/records.js";
export type {
  CleanupOptions,
  CreateSessionOptions,
  NewSession,
  Session,
  SessionEndStatus,
  SessionQuery,
  SessionStatus,
  SessionStorage,
  SessionUpdate,
  UpdateSessionOptions,
} from "./contract/session-storage.js";
export type {
  Count,
  DurabilityLevel,
  HealthCheck,
  HealthReport,
  StorageBackend,
  StorageMetrics,
} from "./contract/storage-backend.js";
export type { SchemaStatus, StorageSchema } from "./contract/storage-schema.js";
export {
  type CheckpointReplacement,
  type ItemReplacement,
  type MessageReplacement,
  type SessionReplacement,
  type StoredReplacement,
  type StoredValues,
  storedValues,
  type TaskContextReplacement,
  type WriteReplacement,
} from "./contract/stored-replacement.js";
export type {
  GetTaskContextOptions,
  ListTaskContextVersionsOptions,
  StoreTaskContextOptions,
  TaskContext,
  TaskContextInfo,
  TaskContextStorage,
} from "./contract/task-context-storage.js";
export type { StorageBackendOptions } from "./domain/backend/storage-backend.js";
export type { Clock } from "./domain/clock.js";
export { copyOfPrepared, prepareValue } from "./domain/codec/codec.js";
export type { PreparedValue } from "./domain/codec/prepared-value.js";
export {
  DEFAULT_URL,
  type OpenOptions,
  type OptionParser,
  openSchema,
  openStorage,
  type StorageScheme,
} from "./open.js";
export { VERSION } from "./version.js";
