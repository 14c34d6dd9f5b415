/** What an engine is given beside its storage, and what its parts share. */

import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../contract/call.js";
import { isError } from "../contract/errors.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { knownFields } from "../domain/arguments.js";
import type { Clock } from "../domain/clock.js";
import { systemClock } from "../domain/clock.js";
import { callable } from "./checks.js";
import { type ToolReferences, toolReferences } from "./tool-references.js";

/** Waits so many milliseconds; rejects early when the signal fires. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>;

/** A failed turn of which not even the failure could be recorded. */
export interface UnrecordedTurn {
  readonly sessionId: string;
  readonly turnId: string;
  /** What the work threw; the caller gets it too. */
  readonly workError: unknown;
  /** Why it could not be recorded. */
  readonly recordingError: unknown;
}

export interface EngineOptions {
  /** Stamps the messages of turns. It never orders anything. Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Milliseconds of a clock that never goes back; times the work of turns. Default: `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
  /** How followers and retries wait. Default: a timer. */
  readonly wait?: Wait | undefined;
  /** Finds the tool calls and results in a message. Default: `toolReferences`, which knows the customary shapes. */
  readonly toolReferences?: ToolReferences | undefined;
  /**
   * Told when work has failed and the storage then failed too: the caller gets the work's own error, this gets both.
   * Default: a process warning.
   */
  readonly onTurnNotRecorded?: ((turn: UnrecordedTurn) => void) | undefined;
}

/** What every part of the engine works with. */
export interface EngineEnvironment {
  readonly storage: StorageBackend;
  readonly clock: Clock;
  readonly monotonic: () => number;
  readonly wait: Wait;
  readonly toolReferences: ToolReferences;
  readonly onTurnNotRecorded: (turn: UnrecordedTurn) => void;
}

/** @throws InvalidArgumentError for an unknown option, or one of another type */
export function engineEnvironment(storage: StorageBackend, options: EngineOptions): EngineEnvironment {
  const known = knownFields(options, "options", ENGINE_OPTIONS);
  for (const name of ENGINE_OPTIONS) {
    if (known[name] === undefined) continue;
    if (name === "clock") callable(known.clock?.now, "options.clock.now");
    else callable(known[name], `options.${name}`);
  }
  return {
    storage,
    clock: known.clock ?? systemClock,
    monotonic: known.monotonic ?? (() => performance.now()),
    wait:
      known.wait ?? (async (ms, signal) => void (await sleep(ms, undefined, signal === undefined ? {} : { signal }))),
    toolReferences: known.toolReferences ?? toolReferences,
    onTurnNotRecorded: known.onTurnNotRecorded ?? warn,
  };
}

const ENGINE_OPTIONS = ["clock", "monotonic", "wait", "toolReferences", "onTurnNotRecorded"] as const;

/** The options of every call, taken out of larger ones. */
export function callOptions({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs };
}

function warn({ turnId, recordingError }: UnrecordedTurn): void {
  const reason = isError(recordingError) ? recordingError.message : String(recordingError);
  process.emitWarning(`the failure of turn ${JSON.stringify(turnId)} could not be recorded: ${reason}`, {
    code: "WAYSTONE_TURN_NOT_RECORDED",
  });
}
