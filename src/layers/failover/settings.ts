/** The options of a failover, checked, with their defaults. */
import { InvalidArgumentError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { integer, knownFields, oneOf, string } from "../../domain/arguments.js";
import { kindOf } from "../../domain/identifiers.js";
import type { FailoverEvent } from "./events.js";
import { type FailoverJournal, sqliteJournal } from "./journal.js";

/**
 * When a write is acknowledged.
 *
 * - `sync-both`: when both stores have it, or one has it while the other is away and that is in the journal.
 * - `primary-then-fallback`: when the store in charge has it; the other follows.
 * - `fallback-on-failure`: when the store in charge has it. The fallback is empty until the primary is away, and then takes what begins.
 */
export type FailoverMode = "sync-both" | "primary-then-fallback" | "fallback-on-failure";

export interface FailoverOptions {
  /** The store that takes over, as it was opened, in a stack of its own. Closed with the storage. */
  readonly fallback: StorageBackend;
  readonly mode: FailoverMode;
  /** A file of the failover's own (SQLite), or another place that outlives the process: what either store misses is written there first. */
  readonly journal: string | FailoverJournal;
  /**
   * Reads of what the store that is left may miss an acknowledged write of: `refuse` (default), or `allow`, which tells so by an event,
   * in `stats()`, and by `isStale(result)`.
   */
  readonly staleReads?: "refuse" | "allow" | undefined;
  /** Least time between two changes of the store in charge, in milliseconds. Default 10,000. */
  readonly cooldownMs?: number | undefined;
  /** How often a store that is away is asked whether it is back, in milliseconds. Default 1,000. */
  readonly probeIntervalMs?: number | undefined;
  /** How long a health check may take before its store counts as away, in milliseconds. Default 1,000. */
  readonly probeTimeoutMs?: number | undefined;
  /** How long a read waits for one store before it asks the other, in milliseconds. Default 2,000. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How long one step of a copy may take, in milliseconds. Default 30,000. */
  readonly copyTimeoutMs?: number | undefined;
  /** Told of each change of state, and of what needs a person. */
  readonly onEvent?: ((event: FailoverEvent) => void) | undefined;
}

const FIELDS = [
  "fallback",
  "mode",
  "journal",
  "staleReads",
  "cooldownMs",
  "probeIntervalMs",
  "probeTimeoutMs",
  "attemptTimeoutMs",
  "copyTimeoutMs",
  "onEvent",
] as const;

export interface Settings {
  readonly fallback: StorageBackend;
  readonly mode: FailoverMode;
  readonly journal: FailoverJournal;
  readonly allowStale: boolean;
  readonly cooldownMs: number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly copyTimeoutMs: number;
  readonly onEvent: ((event: FailoverEvent) => void) | undefined;
}

/** @throws InvalidArgumentError */
export function checkedSettings(options: FailoverOptions): Settings {
  const given = knownFields(options, "options", FIELDS);
  const { fallback, journal, onEvent } = given;
  if (typeof fallback?.exportRecords !== "function") {
    throw new InvalidArgumentError(`fallback must be a storage, not ${kindOf(fallback)}`);
  }
  if (onEvent !== undefined && typeof onEvent !== "function") {
    throw new InvalidArgumentError(`onEvent must be a function, not ${kindOf(onEvent)}`);
  }
  const duration = (name: string, value: unknown, otherwise: number, min = 1): number =>
    integer(value ?? otherwise, name, { min, max: 86_400_000 });
  return {
    fallback,
    mode: oneOf(given.mode, "mode", ["sync-both", "primary-then-fallback", "fallback-on-failure"]),
    journal:
      typeof journal === "object" && journal !== null && typeof journal.write === "function"
        ? journal
        : sqliteJournal(string(journal, "journal")),
    allowStale:
      given.staleReads !== undefined && oneOf(given.staleReads, "staleReads", ["refuse", "allow"]) === "allow",
    cooldownMs: duration("cooldownMs", given.cooldownMs, 10_000, 0),
    probeIntervalMs: duration("probeIntervalMs", given.probeIntervalMs, 1_000),
    probeTimeoutMs: duration("probeTimeoutMs", given.probeTimeoutMs, 1_000),
    attemptTimeoutMs: duration("attemptTimeoutMs", given.attemptTimeoutMs, 2_000),
    copyTimeoutMs: duration("copyTimeoutMs", given.copyTimeoutMs, 30_000),
    onEvent,
  };
}
