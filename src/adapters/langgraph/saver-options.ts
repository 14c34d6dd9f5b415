/** What a saver can be told. */
import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import type { Lease } from "../../contract/call.js";
import { InvalidArgumentError } from "../../contract/errors.js";
import type { ClassCodec } from "./value-codec.js";

/** Which checkpoints are dropped while graphs run. With both limits a checkpoint goes only if both let it go (K6). */
export interface Retention {
  /** Keeps this many newest checkpoints of every namespace of the thread, at least 1. */
  readonly keepLast?: number | undefined;
  /** Keeps checkpoints younger than this many milliseconds. */
  readonly maxAgeMs?: number | undefined;
  /** Prunes a thread after this many checkpoints that this saver stored for it. Default 10. */
  readonly every?: number | undefined;
}

export interface WaystoneSaverOptions {
  /** Classes of the application that its states hold, beside the messages and documents of LangChain. */
  // biome-ignore lint/suspicious/noExplicitAny: a list of codecs of different classes has no other type
  readonly codecs?: readonly ClassCodec<any>[] | undefined;
  /** Serialises values, writes and metadata in place of our codec. What the other one stored can still be read. */
  readonly serde?: SerializerProtocol | undefined;
  /**
   * Most bytes of memory for the newest states that this saver has stored: while the storage says that a state is still the same, it
   * is not read and decoded again. Default 64 MiB; 0 remembers none. With a `serde` of your own none is remembered.
   */
  readonly rememberBytes?: number | undefined;
  /** Prunes each thread as it grows. Default: nothing is dropped. */
  readonly retention?: Retention | undefined;
  /**
   * Stores a root checkpoint only on the head that it continues: of two workers on one thread one gets a `ConflictError` (K8).
   * `configurable.compare_and_set` sets it for one run: `false` for a run that forks from history. Default `false`.
   */
  readonly compareAndSet?: boolean | undefined;
  /** The lease that writes to a thread carry; a superseded one makes them reject with `FencedError` (L1). Default: none. */
  readonly lease?: Lease | ((threadId: string) => Lease | undefined) | undefined;
}

export const DEFAULT_REMEMBER_BYTES: number = 64 * 1024 * 1024;

/** @throws InvalidArgumentError */
export function checkRememberBytes(bytes: number | undefined): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)) return;
  throw new InvalidArgumentError("rememberBytes must be a whole number of bytes, 0 for none");
}

/** @throws InvalidArgumentError */
export function checkRetention(retention: Retention | undefined): void {
  if (retention === undefined) return;
  const { keepLast, maxAgeMs, every } = retention;
  if (keepLast === undefined && maxAgeMs === undefined) {
    throw new InvalidArgumentError("retention needs keepLast or maxAgeMs");
  }
  if (keepLast !== undefined && !(Number.isSafeInteger(keepLast) && keepLast >= 1)) {
    throw new InvalidArgumentError("retention.keepLast must be an integer of at least 1");
  }
  if (maxAgeMs !== undefined && !(Number.isFinite(maxAgeMs) && maxAgeMs >= 0)) {
    throw new InvalidArgumentError("retention.maxAgeMs must be a number of milliseconds");
  }
  if (every !== undefined && !(Number.isSafeInteger(every) && every >= 1)) {
    throw new InvalidArgumentError("retention.every must be an integer of at least 1");
  }
}
