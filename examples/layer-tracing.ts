// Spans and metrics of a storage, with the names of OpenTelemetry's conventions where there are any.
import { metrics, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { retry, tracing, withLayers } from "waystone/layers";
import { memoryStorage } from "waystone/memory";
import { faultyStorage, type InjectedFault } from "waystone/testing";

// What an application does once; yours exports to a collector.
const spans = new InMemorySpanExporter();
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter });
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));

const faults: InjectedFault[] = [];
const server = faultyStorage(memoryStorage(), () => faults.shift());
const storage = withLayers(server.storage, [tracing(), retry({ initialDelayMs: 1, maxDelayMs: 1 })]);

await storage.createSession("trip-1", "ada");
faults.push({ at: "before" });
await storage.storeCheckpoint("plan", "step-1", { plan: ["search", "book"] }, { sessionId: "trip-1" });
await storage.putItem(["users", "ada"], "seat", { prefers: "window" });
await storage.createSession("trip-1", "ada").catch(() => undefined);
for (const span of spans.getFinishedSpans()) console.log(span.name, span.attributes);

await reader.forceFlush();
const collected = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
for (const { descriptor, dataPoints } of collected) {
  console.log(descriptor.name, `in ${descriptor.unit},`, dataPoints.length, "series");
}
await storage.close();
await reader.shutdown();
