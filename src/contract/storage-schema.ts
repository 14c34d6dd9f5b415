/** The schema of a store apart from its data: for a team that runs the steps in a pipeline of its own. */
import type { CallOptions } from "./call.js";

/** How far the schema of a store is. */
export interface SchemaStatus {
  /** `sqlite`, `postgres`, … */
  readonly backend: string;
  /** What is in the store; 0 for a store without a schema. */
  readonly version: number;
  /** What this version of the package reads and writes. */
  readonly wantedVersion: number;
  /** What `migrate` would do, in order; empty when the store is ready. */
  readonly pending: readonly string[];
}

export interface StorageSchema {
  readonly backend: string;
  /**
   * The statements that bring a store to the wanted version.
   * @param fromVersion the version that it has; default 0, an empty store
   * @throws InvalidArgumentError for a version that is not one
   */
  script(fromVersion?: number): string;
  /** Only reads. @throws StorageConnectionError; UnsupportedError for a schema that this version of the package cannot work with */
  status(options?: CallOptions): Promise<SchemaStatus>;
  /** Carries out what is pending, in one transaction, and says what is left: nothing (F3). Safe from many processes at once. */
  migrate(options?: CallOptions): Promise<SchemaStatus>;
  /** Lets go of every connection. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
