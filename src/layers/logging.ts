/** `logging`: a structured record of each call, to a logger that is passed in. Never content, never a credential. */
import { hash, randomBytes } from "node:crypto";
import { InvalidArgumentError, isStorageError, type StorageErrorCode } from "../contract/errors.js";
import type { HealthReport } from "../contract/storage-backend.js";
import { finiteNumber, knownFields, oneOf, string } from "../domain/arguments.js";
import { type CallSubject, subjectOf } from "./call-subject.js";
import { intercept } from "./intercept.js";
import { type Layer, layer } from "./layer.js";
import type { Interceptor, LayerCall } from "./layer-call.js";

/** What is needed of a logger: pino, or what takes an object and then a text like it. */
export interface Logger {
  debug(record: object, message: string): void;
  info(record: object, message: string): void;
  warn(record: object, message: string): void;
  error(record: object, message: string): void;
}

export interface LoggingOptions {
  readonly logger: Logger;
  /** The level of calls that succeed; `silent` leaves them out. Default `info`. */
  readonly success?: "info" | "debug" | "silent" | undefined;
  /** Calls that take at least so many milliseconds are a warning. Default 1,000. */
  readonly slowMs?: number | undefined;
  /** Identifiers of sessions, threads, items and tenants: `hashed` (default), `shown`, or `hidden`. */
  readonly identifiers?: "hashed" | "shown" | "hidden" | undefined;
  /** Whoever has it can tell whether a hash is of an identifier; with the same one, processes give the same hashes. Default: a random one. */
  readonly hashKey?: string | undefined;
}

/** What is written about a call. */
export interface CallRecord {
  readonly operation: string;
  readonly backend: string;
  readonly tenant?: string;
  readonly success: boolean;
  readonly latencyMs: number;
  /** It took `slowMs` or longer. */
  readonly slow?: true;
  /** Attempts after the first, made by a retry layer inside. */
  readonly retries?: number;
  readonly sessionId?: string;
  readonly threadId?: string;
  readonly checkpointId?: string;
  readonly namespace?: string;
  readonly key?: string;
  /** Code of the error; `OTHER` for what is no error of a storage. */
  readonly error?: StorageErrorCode | "OTHER";
  readonly outcome?: string;
  readonly retryable?: boolean;
  /** The error's message, where identifiers are shown, because it may name them; not of wrong arguments, which it may quote. */
  readonly reason?: string;
  /** Of a health check. */
  readonly status?: HealthReport["status"];
}

/** What the caller may have to look at: the store, and not what was asked of it. */
const SERIOUS: ReadonlySet<string> = new Set(["CONNECTION", "TIMEOUT", "CORRUPTION", "OTHER"]);

type Show = (identifier: string) => string;

/**
 * Writes a record of each call when it has settled: success at `success`, slow ones and those that the storage refused at `warn`,
 * a store that is away or damaged at `error`. A health check that finds something wrong is a warning.
 * @throws InvalidArgumentError for a bad option
 */
export function logging(options: LoggingOptions): Layer {
  const { logger, success, slowMs, show } = settingsOf(options);
  const interceptor: Interceptor = (call, next) => {
    const begun = performance.now();
    const running = next();
    const written = running.then(
      (result) => {
        const latencyMs = performance.now() - begun;
        const status = call.operation === "healthCheck" ? (result as HealthReport).status : undefined;
        const unwell = status !== undefined && status !== "healthy";
        const slow = latencyMs >= slowMs;
        if (success === "silent" && !slow && !unwell) return;
        const record = { ...recordOf(call, latencyMs, slow, true, show), ...(status === undefined ? {} : { status }) };
        if (unwell) logger.warn(record, "storage health check found something wrong");
        else if (slow) logger.warn(record, "storage operation was slow");
        else if (success === "debug") logger.debug(record, "storage operation completed");
        else logger.info(record, "storage operation completed");
      },
      (error: unknown) => {
        const latencyMs = performance.now() - begun;
        const record = {
          ...recordOf(call, latencyMs, latencyMs >= slowMs, false, show),
          ...failureOf(error, options.identifiers === "shown"),
        };
        if (SERIOUS.has(record.error)) logger.error(record, "storage operation failed");
        else logger.warn(record, "storage operation was refused");
      },
    );
    // The call has settled: a logger that fails must not fail it, and not the process either.
    written.catch((error: unknown) => process.emitWarning(`the logger failed: ${String(error)}`, "WaystoneWarning"));
    return running;
  };
  return layer({ kind: "logging" }, (backend) => intercept(backend, interceptor));
}

function settingsOf(options: LoggingOptions) {
  const names = ["logger", "success", "slowMs", "identifiers", "hashKey"] as const;
  const given = knownFields(options, "options", names);
  const logger = given.logger as Logger | undefined;
  for (const level of ["debug", "info", "warn", "error"] as const) {
    if (typeof logger?.[level] !== "function") throw new InvalidArgumentError(`logger must have the method ${level}`);
  }
  const identifiers = oneOf(given.identifiers ?? "hashed", "identifiers", ["hashed", "shown", "hidden"]);
  const hashKey = given.hashKey === undefined ? randomBytes(32).toString("base64") : string(given.hashKey, "hashKey");
  return {
    logger: logger as Logger,
    success: oneOf(given.success ?? "info", "success", ["info", "debug", "silent"]),
    slowMs: finiteNumber(given.slowMs ?? 1_000, "slowMs", { min: 0 }),
    show: identifiers === "hidden" ? undefined : identifiers === "shown" ? asIs : hashing(hashKey),
  };
}

const asIs: Show = (identifier) => identifier;

/** Short, and the same for the same identifier and key. */
function hashing(key: string): Show {
  const known = new Map<string, string>();
  return (identifier) => {
    let shown = known.get(identifier);
    if (shown === undefined) {
      shown = `#${hash("sha256", `${key}\0${identifier}`).slice(0, 16)}`;
      if (known.size >= MOST_KNOWN_HASHES) known.clear();
      known.set(identifier, shown);
    }
    return shown;
  };
}

const MOST_KNOWN_HASHES = 1_000;

function recordOf(
  call: LayerCall,
  latencyMs: number,
  slow: boolean,
  success: boolean,
  show: Show | undefined,
): CallRecord {
  return {
    operation: call.operation,
    backend: call.backend,
    success,
    latencyMs: Math.round(latencyMs * 1_000) / 1_000,
    ...(slow ? { slow } : {}),
    ...(call.retries > 0 ? { retries: call.retries } : {}),
    ...(show === undefined ? {} : { tenant: show(call.tenant), ...shownSubject(subjectOf(call), show) }),
  };
}

function shownSubject({ namespace, ...ids }: CallSubject, show: Show): object {
  const shown: { [name: string]: string } = {};
  for (const [name, identifier] of Object.entries(ids)) shown[name] = show(identifier);
  if (namespace !== undefined) shown.namespace = namespace.map(show).join("/");
  return shown;
}

function failureOf(
  error: unknown,
  named: boolean,
): Pick<CallRecord, "outcome" | "retryable" | "reason"> & { readonly error: StorageErrorCode | "OTHER" } {
  if (!isStorageError(error)) return { error: "OTHER" };
  const { code, outcome, retryable, message } = error;
  // What is wrong with a value may be told by a part of it.
  const quotes = code === "INVALID_ARGUMENT" || code === "SERIALIZATION";
  return { error: code, outcome, retryable, ...(named && !quotes ? { reason: message } : {}) };
}
