/** `waystone/layers`: what stands between an application and its storage. `docs/layers.md` says which, and in which order. */
import "../require-node.js";

export type { ChangeFeed, StoreChange } from "../contract/change-feed.js";
export { type BatchLayer, type BatchOptions, type BatchStats, batch } from "./batch/batch.js";
export type { BufferedStorage } from "./batch/buffered-batch.js";
export {
  type BufferedCounts,
  type BufferedFailure,
  type BufferedMessage,
  type BufferedWriter,
  type BufferedWriterOptions,
  bufferedWriter,
  type CounterUpdate,
} from "./batch/buffered-writer.js";
export type { BufferedWriterStats } from "./batch/pending-writes.js";
export { type CacheLayer, type CacheOptions, cache } from "./cache/cache.js";
export type { CacheStats } from "./cache/entries.js";
export {
  type CircuitBreakerLayer,
  type CircuitBreakerOptions,
  type CircuitState,
  circuitBreaker,
} from "./circuit-breaker.js";
export { type ConcurrencyLimitLayer, type ConcurrencyLimitOptions, concurrencyLimit } from "./concurrency-limit.js";
export { type EncryptionOptions, encryption } from "./encryption/encryption.js";
export {
  type KeyManagement,
  type KeyRing,
  type KeyRingOptions,
  keyRing,
  newWrappedKey,
  type Secret,
  type WrappedKeyRingOptions,
  wrappedKeyRing,
} from "./encryption/key-ring.js";
export {
  type KeyRotation,
  keysInUse,
  type RotateKeysOptions,
  type RotationProgress,
  rotateKeys,
} from "./encryption/rotation/rotate-keys.js";
export type { RotationPhase } from "./encryption/rotation/rotation-progress.js";
export type { FailoverEvent, FailoverState } from "./failover/events.js";
export { type FailoverLayer, failover } from "./failover/failover.js";
export type { FailoverJournal, JournalChange, JournalEntry } from "./failover/journal.js";
export type { FailoverMode, FailoverOptions } from "./failover/settings.js";
export type { FailoverStats } from "./failover/stats.js";
export { intercept } from "./intercept.js";
export { type Layer, type LayerDefinition, type LayerReading, layer, layersOf, withLayers } from "./layer.js";
export { type Interceptor, isHarmlessTwice, type LayerCall, type Next } from "./layer-call.js";
export { LAYER_PLACES, type LayerPlace } from "./layer-order.js";
export { type CallRecord, type Logger, type LoggingOptions, logging } from "./logging.js";
export {
  type MonitorLayer,
  type MonitorOptions,
  type MonitorSample,
  monitor,
  type OperationReport,
  type PerformanceReport,
} from "./monitor.js";
export { type RetryLayer, type RetryOptions, type RetryStats, retry } from "./retry.js";
export { type TimeoutOptions, timeout } from "./timeout.js";
export { type TracingOptions, tracing } from "./tracing/tracing.js";
