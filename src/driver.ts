/** For those who write a backend: the port, the function that makes a storage of it, and the rules that drivers call. */
export { DEFAULT_TENANT, type StorageBackendOptions, storageBackend } from "./domain/backend/storage-backend.js";
export { type Clock, systemClock } from "./domain/clock.js";
export type { Call, FencingToken } from "./domain/driver/call.js";
