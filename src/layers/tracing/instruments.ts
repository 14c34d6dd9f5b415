/** The tracer and the instruments, and what is observed of a storage and of the layers around it. */
import type {
  Attributes,
  BatchObservableCallback,
  Counter,
  Histogram,
  Meter,
  Observable,
  ObservableResult,
  Tracer,
} from "@opentelemetry/api";
import { UnsupportedError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { VERSION } from "../../version.js";
import type { Layer } from "../layer.js";
import { ATTRIBUTE, DURATION_BUCKETS, SCHEMA_URL } from "./names.js";

export type OpenTelemetry = typeof import("@opentelemetry/api");

export interface Instruments {
  readonly api: OpenTelemetry;
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly duration: Histogram;
  readonly dbDuration: Histogram;
  /** Sessions and checkpoints that were removed because of their age. */
  readonly deleted: Counter;
}

/** @throws UnsupportedError if the package is not installed */
export async function loadInstruments(): Promise<Instruments> {
  const api = await import("@opentelemetry/api").catch((cause: unknown) => {
    throw new UnsupportedError("the layer tracing needs @opentelemetry/api: npm install @opentelemetry/api", { cause });
  });
  const tracer = api.trace.getTracerProvider().getTracer("waystone", VERSION, { schemaUrl: SCHEMA_URL });
  const meter = api.metrics.getMeterProvider().getMeter("waystone", VERSION, { schemaUrl: SCHEMA_URL });
  const seconds = { unit: "s", advice: { explicitBucketBoundaries: [...DURATION_BUCKETS] } };
  return {
    api,
    tracer,
    meter,
    duration: meter.createHistogram("waystone.operation.duration", {
      ...seconds,
      description: "Duration of operations of a storage.",
    }),
    dbDuration: meter.createHistogram("db.client.operation.duration", {
      ...seconds,
      description: "Duration of database client operations.",
    }),
    deleted: meter.createCounter("waystone.retention.deleted", {
      unit: "{record}",
      description: "Records that cleaning up and pruning have removed.",
    }),
  };
}

/** Observes the counts of layers; gives back how to end it. */
export function observeLayers(meter: Meter, layers: readonly Layer[], backend: string): () => void {
  const ends = layers.flatMap((layer) => {
    // Several readings of one name differ in their attributes.
    const byName = new Map((layer.readings?.() ?? []).map((reading) => [reading.name, reading]));
    return [...byName.values()].map(({ name, type, unit, description }) => {
      const observable =
        type === "counter"
          ? meter.createObservableCounter(name, { unit, description })
          : meter.createObservableGauge(name, { unit, description });
      const observe = (result: ObservableResult): void => {
        for (const reading of layer.readings?.() ?? []) {
          if (reading.name === name) {
            result.observe(reading.value, { [ATTRIBUTE.backend]: backend, ...reading.attributes });
          }
        }
      };
      observable.addCallback(observe);
      return () => observable.removeCallback(observe);
    });
  });
  return () => {
    for (const end of ends) end();
  };
}

/** Observes what `getMetrics` counts, once for each collection; gives back how to end it. */
export function observeStorage(meter: Meter, storage: StorageBackend): () => void {
  const gauge = (name: string, unit: string, description: string): Observable =>
    meter.createObservableGauge(name, { unit, description });
  const active = gauge("waystone.session.active", "{session}", "Sessions that are active.");
  const records = gauge("waystone.storage.records", "{record}", "Records that a storage holds.");
  const size = gauge("waystone.storage.size", "By", "Bytes that a storage takes.");
  const observe: BatchObservableCallback = async (result) => {
    const { backend, activeSessions, sizeBytes, ...counts } = await storage.getMetrics();
    const attributes: Attributes = { [ATTRIBUTE.backend]: backend };
    result.observe(active, activeSessions.value, attributes);
    for (const kind of ["sessions", "messages", "threads", "checkpoints", "items"] as const) {
      result.observe(records, counts[kind].value, { ...attributes, [ATTRIBUTE.recordKind]: kind });
    }
    if (sizeBytes !== undefined) result.observe(size, sizeBytes.value, attributes);
  };
  const observed = [active, records, size];
  meter.addBatchObservableCallback(observe, observed);
  return () => meter.removeBatchObservableCallback(observe, observed);
}
