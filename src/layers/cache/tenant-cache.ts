/** The cache of one tenant: what its verbs have in common. */
import type { CallOptions } from "../../contract/call.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { signalOption, timeoutOption } from "../../domain/call-options.js";
import type { Entries } from "./entries.js";
import { type KnownLifetimes, Lifetimes } from "./lifetimes.js";
import { Subjects } from "./subjects.js";

export interface TenantCacheOptions {
  /** Tells the tenant from those of other storages that the layer is around. */
  readonly name: string;
  readonly entries: Entries;
  readonly known: KnownLifetimes;
  readonly validates: boolean;
}

export class TenantCache {
  readonly inner: StorageBackend;
  readonly entries: Entries;
  readonly subjects: Subjects;
  readonly lifetimes: Lifetimes;
  /** Whether each read asks the store if what is kept is current. */
  readonly validates: boolean;

  constructor(inner: StorageBackend, { name, entries, known, validates }: TenantCacheOptions) {
    this.inner = inner;
    this.entries = entries;
    this.subjects = new Subjects(name);
    this.lifetimes = new Lifetimes(inner, known, name);
    this.validates = validates;
  }

  /**
   * Carries out a write: what it changes is not given out from what was kept, from the moment that it is over.
   * @param then what may be kept of its result, if no other write was under way
   */
  async writing<T>(
    subjects: readonly string[],
    call: () => Promise<T>,
    then?: (result: T, moment: number | undefined) => void,
  ): Promise<T> {
    const write = this.entries.freshness.begin(subjects);
    let result: T;
    try {
      result = await call();
    } catch (error) {
      // Also one that was refused may have had an effect: `unknown` says so.
      write.end();
      throw error;
    }
    const moment = write.end();
    then?.(result, moment);
    return result;
  }

  /** All that a tenant has may be another one. */
  async writingAll<T>(call: () => Promise<T>): Promise<T> {
    this.lifetimes.forgetAll();
    try {
      return await this.writing(this.subjects.everything, call);
    } finally {
      this.lifetimes.forgetAll();
    }
  }
}

/** Whether a call may be answered with what another caller reads: one with a signal or deadline of its own may not. */
export function isShared(options: CallOptions | undefined): boolean {
  return options?.signal === undefined && options?.timeoutMs === undefined;
}

/** Refuses what the store would refuse of these options, for calls that may never reach it. @returns whether to ask the store in any case */
export function isAborted(options: CallOptions | undefined): boolean {
  timeoutOption(options?.timeoutMs);
  return signalOption(options?.signal)?.aborted === true;
}
