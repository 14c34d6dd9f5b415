/**
 * Names of spans, attributes and metrics. Where OpenTelemetry has a convention it is kept: database metrics as they are stable
 * since 1.28, the calls on an agent's memory as in the GenAI conventions (in development; semantic-conventions-genai,
 * schema gen-ai-dev/1.42.0). What has none is under `waystone.`.
 */
import type { OperationName } from "../../contract/operations.js";

/** The conventions that the names are of. */
export const SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";

/** The span of each operation. A name without a dot is a `gen_ai.operation.name`. */
export const SPAN_NAMES: { readonly [Name in OperationName]: string } = {
  initialize: "waystone.migrate",
  close: "waystone.close",
  healthCheck: "waystone.health.check",
  getMetrics: "waystone.metrics.get",
  exportRecords: "waystone.records.export",
  importRecords: "waystone.records.import",

  createSession: "waystone.session.create",
  getSession: "waystone.session.get",
  updateSession: "waystone.session.update",
  endSession: "waystone.session.end",
  listSessions: "waystone.session.list",
  deleteSession: "waystone.session.delete",
  batchCreateSessions: "waystone.session.batch_create",
  batchGetSessions: "waystone.session.batch_get",
  cleanupExpiredSessions: "waystone.retention.cleanup",

  addConversationMessage: "waystone.messages.append",
  addConversationMessages: "waystone.messages.append",
  getConversationHistory: "waystone.messages.list",
  deleteConversationMessages: "waystone.messages.delete",

  storeCheckpoint: "waystone.checkpoint.put",
  getCheckpoint: "waystone.checkpoint.get",
  listCheckpoints: "waystone.checkpoint.list",
  putWrites: "waystone.checkpoint.put_writes",
  getWrites: "waystone.checkpoint.get_writes",
  copyThread: "waystone.checkpoint.fork",
  deleteCheckpoints: "waystone.checkpoint.delete",
  listThreads: "waystone.thread.list",
  deleteThread: "waystone.thread.delete",
  pruneCheckpoints: "waystone.retention.prune",

  storeTaskContext: "upsert_memory",
  getTaskContext: "search_memory",
  listTaskContextVersions: "waystone.context.list_versions",
  shareTaskContext: "waystone.context.share",

  putItem: "upsert_memory",
  updateItem: "update_memory",
  getItem: "search_memory",
  deleteItem: "delete_memory",
  searchItems: "search_memory",
  deleteItems: "delete_memory",
  batchItems: "waystone.items.batch",
  countItems: "waystone.items.count",
  listNamespaces: "waystone.items.list_namespaces",

  acquireLease: "waystone.lease.acquire",
  renewLease: "waystone.lease.renew",
  releaseLease: "waystone.lease.release",
};

/** `db.system.name` of the backends that are databases. */
export const DB_SYSTEMS: { readonly [kind: string]: string } = {
  sqlite: "sqlite",
  postgres: "postgresql",
  redis: "redis",
};

export const ATTRIBUTE = {
  backend: "waystone.backend",
  operation: "waystone.operation",
  checkpointId: "waystone.checkpoint.id",
  parentId: "waystone.checkpoint.parent_id",
  retryCount: "waystone.retry.count",
  conversationId: "gen_ai.conversation.id",
  genAiOperation: "gen_ai.operation.name",
  memoryStoreId: "gen_ai.memory.store.id",
  memoryRecordId: "gen_ai.memory.record.id",
  memoryRecordCount: "gen_ai.memory.record.count",
  dbSystem: "db.system.name",
  dbOperation: "db.operation.name",
  recordKind: "waystone.record.kind",
  errorType: "error.type",
} as const;

/** `gen_ai.memory.store.id` of task contexts; that of an item is its namespace, labels joined by `/`. */
export const CONTEXT_STORE_ID = "task_contexts";

/** Bounds of the buckets of durations, in seconds, as the database conventions have them. */
export const DURATION_BUCKETS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
