// A storage whose process dies at a given write: that write and all later calls fail, as they do for a process that is gone.
import { OPERATIONS, type OperationName } from "../../src/contract/operations.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";

export class Interrupted extends Error {}

export interface Interruption {
  /** The write at which the process dies, from 1. */
  readonly at: number;
  /** Whether the store has taken that write. */
  readonly applied: boolean;
}

/** Names of the calls that were made, in order. */
export interface CallLog {
  readonly calls: OperationName[];
  readonly writes: OperationName[];
}

export function interruptedStorage(storage: StorageBackend, interruption?: Interruption): StorageBackend & CallLog {
  const calls: OperationName[] = [];
  const writes: OperationName[] = [];
  let dead = false;
  return new Proxy(storage, {
    get(target, name) {
      if (name === "calls") return calls;
      if (name === "writes") return writes;
      const member: unknown = Reflect.get(target, name);
      if (typeof name !== "string" || !Object.hasOwn(OPERATIONS, name) || typeof member !== "function") return member;
      const operation = name as OperationName;
      return async (...args: unknown[]) => {
        if (dead) throw new Interrupted("the process is gone");
        calls.push(operation);
        const isWrite = OPERATIONS[operation].access === "write";
        if (isWrite) writes.push(operation);
        const last = isWrite && writes.length === interruption?.at;
        if (last) dead = true;
        if (last && !interruption.applied) throw new Interrupted(`died before ${name}`);
        const result: unknown = await Reflect.apply(member, target, args);
        if (last) throw new Interrupted(`died after ${name}`);
        return result;
      };
    },
  }) as StorageBackend & CallLog;
}
