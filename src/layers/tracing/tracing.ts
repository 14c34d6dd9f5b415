/** `tracing`: a span and a duration for each call, through `@opentelemetry/api`. */
import type { Attributes, Span } from "@opentelemetry/api";
import { isError, isStorageError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { boolean, knownFields } from "../../domain/arguments.js";
import { intercept } from "../intercept.js";
import { type Layer, layer, layersOf } from "../layer.js";
import { type LayerCall, type Next, passesAlways } from "../layer-call.js";
import { type Instruments, loadInstruments, observeLayers, observeStorage } from "./instruments.js";
import { ATTRIBUTE, DB_SYSTEMS, SPAN_NAMES } from "./names.js";
import { attributesOf, deletedBy, recordCountOf } from "./span-attributes.js";

export interface TracingOptions {
  /** Spans. Default `true`. */
  readonly spans?: boolean | undefined;
  /** `waystone.operation.duration`, and what the layers inside count. Default `true`. */
  readonly metrics?: boolean | undefined;
  /** `db.client.operation.duration` for backends that are databases. `false` where the driver is instrumented. Default `true`. */
  readonly databaseMetrics?: boolean | undefined;
  /** Asks the storage for its counts whenever metrics are collected. Default `false`, because counting may cost. */
  readonly storageMetrics?: boolean | undefined;
}

type Settings = { readonly [Name in keyof TracingOptions]-?: boolean };

/**
 * Draws each call as a span and measures how long it takes; what the storage's driver draws lies within. Spans name sessions,
 * threads, checkpoints and items by their identifiers; metrics name none. Content is never recorded.
 *
 * - `@opentelemetry/api` is an optional peer, loaded with the first call.
 * - Observing ends when the storage is closed.
 * @throws InvalidArgumentError for a bad option; calls reject with UnsupportedError if the package is not installed
 */
export function tracing(options: TracingOptions = {}): Layer {
  const given = knownFields(options, "options", ["spans", "metrics", "databaseMetrics", "storageMetrics"]);
  const settings: Settings = {
    spans: boolean(given.spans ?? true, "spans"),
    metrics: boolean(given.metrics ?? true, "metrics"),
    databaseMetrics: boolean(given.databaseMetrics ?? true, "databaseMetrics"),
    storageMetrics: boolean(given.storageMetrics ?? false, "storageMetrics"),
  };
  return layer({ kind: "tracing" }, (backend) => traced(backend, settings));
}

function traced(backend: StorageBackend, settings: Settings): StorageBackend {
  let instruments: Instruments | undefined;
  let stopObserving = (): void => undefined;
  const start = async (): Promise<Instruments> => {
    const loaded = await loadInstruments();
    if (instruments === undefined) {
      instruments = loaded;
      const ends: (() => void)[] = [];
      if (settings.metrics) ends.push(observeLayers(loaded.meter, layersOf(backend), backend.kind));
      if (settings.storageMetrics) ends.push(observeStorage(loaded.meter, backend));
      stopObserving = () => {
        for (const end of ends.splice(0)) end();
      };
    }
    return instruments;
  };
  const run = <T>(loaded: Instruments, call: LayerCall, next: Next<T>): Promise<T> => {
    // A tenant's view is closed alone; the storage itself ends the observing.
    if (call.operation === "close" && call.tenant === backend.tenantName) stopObserving();
    return measured(loaded, settings, call, next);
  };
  return intercept(backend, (call, next) => {
    if (instruments !== undefined) return run(instruments, call, next);
    call.keepArguments();
    return start().then(
      (loaded) => run(loaded, call, next),
      (error: unknown) => {
        if (passesAlways(call)) return next();
        throw error;
      },
    );
  });
}

function measured<T>(instruments: Instruments, settings: Settings, call: LayerCall, next: Next<T>): Promise<T> {
  const { api, tracer } = instruments;
  const begun = performance.now();
  if (!settings.spans) {
    return next().then(
      (result) => {
        record(instruments, settings, call, begun, undefined);
        countDeleted(instruments, settings, call, result);
        return result;
      },
      (error: unknown) => {
        record(instruments, settings, call, begun, errorType(error));
        throw error;
      },
    );
  }
  const span = tracer.startSpan(SPAN_NAMES[call.operation], {
    kind: api.SpanKind.INTERNAL,
    attributes: attributesOf(call),
  });
  const context = api.trace.setSpan(api.context.active(), span);
  return api.context
    .with(context, () => next())
    .then(
      (result) => {
        if (span.isRecording()) succeed(span, call, result);
        span.end();
        api.context.with(context, () => record(instruments, settings, call, begun, undefined));
        countDeleted(instruments, settings, call, result);
        return result;
      },
      (error: unknown) => {
        const type = errorType(error);
        span.setAttribute(ATTRIBUTE.errorType, type);
        // No message: it may name what it is about.
        span.setStatus({ code: api.SpanStatusCode.ERROR, message: type });
        countRetries(span, call);
        span.end();
        api.context.with(context, () => record(instruments, settings, call, begun, type));
        throw error;
      },
    );
}

function succeed(span: Span, call: LayerCall, result: unknown): void {
  const count = recordCountOf(call, result);
  if (count !== undefined) span.setAttribute(ATTRIBUTE.memoryRecordCount, count);
  countRetries(span, call);
}

function countRetries(span: Span, { retries }: LayerCall): void {
  if (retries > 0) span.setAttribute(ATTRIBUTE.retryCount, retries);
}

function record(
  { duration, dbDuration }: Instruments,
  { metrics, databaseMetrics }: Settings,
  call: LayerCall,
  begun: number,
  type: string | undefined,
): void {
  const seconds = (performance.now() - begun) / 1_000;
  const failure: Attributes = type === undefined ? {} : { [ATTRIBUTE.errorType]: type };
  if (metrics) {
    const own = { [ATTRIBUTE.operation]: call.operation, [ATTRIBUTE.backend]: call.backend };
    duration.record(seconds, { ...own, ...failure });
  }
  const system = DB_SYSTEMS[call.backend];
  if (databaseMetrics && system !== undefined && call.traits.access !== "lifecycle") {
    const names = { [ATTRIBUTE.dbSystem]: system, [ATTRIBUTE.dbOperation]: call.operation };
    dbDuration.record(seconds, { ...names, ...failure });
  }
}

function countDeleted({ deleted }: Instruments, { metrics }: Settings, call: LayerCall, result: unknown): void {
  if (!metrics) return;
  for (const { kind, count } of deletedBy(call, result)) {
    if (count > 0) deleted.add(count, { [ATTRIBUTE.backend]: call.backend, [ATTRIBUTE.recordKind]: kind });
  }
}

function errorType(error: unknown): string {
  if (isStorageError(error)) return error.code;
  return isError(error) ? error.name : "_OTHER";
}
