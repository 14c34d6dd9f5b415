/** What an import reads: the tables of an official saver, whichever database they are in. */

/** Where a checkpoint is in its thread. */
export interface CheckpointKey {
  readonly namespace: string;
  readonly checkpointId: string;
}

/** A serialised value with the name of its form, as the saver has stored it. */
export interface Payload {
  readonly type: string | null;
  readonly data: Uint8Array | string | null;
}

/** The stored value of one channel; no payload when the row that the checkpoint names is not there. */
export interface TheirChannel {
  readonly name: string;
  readonly payload: Payload | undefined;
}

export interface TheirWrite {
  readonly taskId: string;
  /** `""` where the saver does not keep it. */
  readonly taskPath: string;
  readonly index: number;
  readonly channel: string;
  readonly payload: Payload;
}

export interface TheirCheckpoint extends CheckpointKey {
  readonly parentId: string | undefined;
  /** Whether the parent's row is there; `true` without a parent. */
  readonly hasParent: boolean;
  readonly checkpoint: Payload;
  /** Values that are stored beside the checkpoint, in plain JSON then; absent when they are part of it. */
  readonly channels: readonly TheirChannel[] | undefined;
  readonly metadata: Payload;
  readonly writes: readonly TheirWrite[];
}

/** What there is to read. */
export interface SourceSize {
  /** Bytes that the database takes for it, indexes included. */
  readonly bytes: number;
  readonly checkpoints: number;
  readonly writes: number;
}

/**
 * The database of an official saver, opened for reading: one state of it, that of the moment of opening, whatever its application
 * writes meanwhile. Nothing is ever written to it.
 */
export interface LangGraphSource extends AsyncDisposable {
  readonly kind: "sqlite" | "postgres";
  /** What there is, of all threads or of these alone; `bytes` is that of all. */
  measure(threadIds?: readonly string[]): Promise<SourceSize>;
  /** Threads, each once. */
  threadIds(): AsyncIterable<string>;
  hasThread(threadId: string): Promise<boolean>;
  /** The checkpoints of a thread in the saver's own order, the latest of every namespace last. */
  keys(threadId: string): AsyncIterable<CheckpointKey>;
  /** Places of a thread that have writes and no checkpoint. */
  orphanKeys(threadId: string): AsyncIterable<CheckpointKey>;
  has(threadId: string, key: CheckpointKey): Promise<boolean>;
  read(threadId: string, key: CheckpointKey): Promise<TheirCheckpoint | undefined>;
  writes(threadId: string, key: CheckpointKey): Promise<readonly TheirWrite[]>;
  /** @throws StorageConnectionError when the file was changed under a reader that could not guard itself */
  close(): Promise<void>;
}
