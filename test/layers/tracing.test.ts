// Spans and metrics: their names, what they say, and how they nest.
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  type ContextManager,
  context,
  metrics,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { cache } from "../../src/layers/cache/cache.js";
import { circuitBreaker, concurrencyLimit, intercept, retry, tracing, withLayers } from "../../src/layers/index.js";
import { SPAN_NAMES } from "../../src/layers/tracing/names.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";
import { VERSION } from "../../src/version.js";

/** Contexts follow promises. */
class AsyncContexts implements ContextManager {
  readonly #active = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.#active.getStore() ?? ROOT_CONTEXT;
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    of: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#active.run(of, () => work.call(thisArg as never, ...args));
  }
  bind<T>(_context: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

const spans = new InMemorySpanExporter();
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 });
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
const meterProvider = new MeterProvider({ readers: [reader] });

beforeAll(() => {
  context.setGlobalContextManager(new AsyncContexts());
  trace.setGlobalTracerProvider(tracerProvider);
  metrics.setGlobalMeterProvider(meterProvider);
});

beforeEach(() => {
  spans.reset();
  measured.reset();
});

afterAll(async () => {
  await tracerProvider.shutdown();
  await meterProvider.shutdown();
  context.disable();
  trace.disable();
  metrics.disable();
});

/** The points of all metrics that were collected now, by name. */
async function collected(): Promise<Map<string, { unit: string; points: { value: unknown; attributes: object }[] }>> {
  measured.reset();
  await reader.forceFlush();
  const found = measured.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  return new Map(
    found.map(({ descriptor, dataPoints }) => [
      descriptor.name,
      { unit: descriptor.unit, points: dataPoints.map(({ value, attributes }) => ({ value, attributes })) },
    ]),
  );
}

const shown = (span: ReadableSpan | undefined) => ({ name: span?.name, attributes: span?.attributes });

async function traced(around: StorageBackend = memoryStorage()): Promise<StorageBackend> {
  await prepareStore(around);
  return tracing()(around);
}

describe("spans", () => {
  it.each(OPERATION_CALL_ENTRIES)("draw %s", async (operation, run) => {
    const inner = memoryStorage();
    const prepared = await prepareStore(inner);
    await run(tracing()(inner), prepared);
    const [span, ...others] = spans.getFinishedSpans();
    expect(others).toEqual([]);
    expect(span?.name).toBe(SPAN_NAMES[operation]);
    expect(span).toMatchObject({ kind: SpanKind.INTERNAL, status: { code: SpanStatusCode.UNSET } });
    expect(span?.attributes).toMatchObject({ "waystone.backend": "memory" });
    expect(span?.instrumentationScope).toMatchObject({ name: "waystone", version: VERSION });
    expect(span?.instrumentationScope.schemaUrl).toMatch(/^https:\/\/opentelemetry\.io\/schemas\//);
  });

  it("name the conversation, the checkpoint and the memory, as the conventions do", async () => {
    const storage = await traced();
    spans.reset();
    await storage.addConversationMessage("s", "user", "secret");
    await storage.storeCheckpoint("t", "c2", {}, { parentId: "c", sessionId: "s" });
    await storage.getCheckpoint("t", { checkpointId: "c2" });
    await storage.putItem(["users", "ada"], "k", { a: "secret" });
    await storage.searchItems(["users"]);
    await storage.getTaskContext("s");
    await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 1_000 });
    const backend = { "waystone.backend": "memory" };
    expect(spans.getFinishedSpans().map(shown)).toEqual([
      { name: "waystone.messages.append", attributes: { ...backend, "gen_ai.conversation.id": "s" } },
      {
        name: "waystone.checkpoint.put",
        attributes: {
          ...backend,
          "gen_ai.conversation.id": "s",
          "waystone.checkpoint.id": "c2",
          "waystone.checkpoint.parent_id": "c",
        },
      },
      {
        name: "waystone.checkpoint.get",
        attributes: { ...backend, "gen_ai.conversation.id": "t", "waystone.checkpoint.id": "c2" },
      },
      {
        name: "upsert_memory",
        attributes: {
          ...backend,
          "gen_ai.operation.name": "upsert_memory",
          "gen_ai.memory.store.id": "users/ada",
          "gen_ai.memory.record.id": "k",
          "gen_ai.memory.record.count": 1,
        },
      },
      {
        name: "search_memory",
        attributes: {
          ...backend,
          "gen_ai.operation.name": "search_memory",
          "gen_ai.memory.store.id": "users",
          "gen_ai.memory.record.count": 1,
        },
      },
      {
        name: "search_memory",
        attributes: {
          ...backend,
          "gen_ai.operation.name": "search_memory",
          "gen_ai.memory.store.id": "task_contexts",
          "gen_ai.memory.record.count": 1,
          "gen_ai.conversation.id": "s",
        },
      },
      { name: "waystone.lease.acquire", attributes: { ...backend, "gen_ai.conversation.id": "t" } },
    ]);
    const everything = JSON.stringify(spans.getFinishedSpans().map((span) => [span.attributes, span.events]));
    expect(everything).not.toContain("secret");
  });

  it("say what failed by its code alone, and count retries", async () => {
    let calls = 0;
    const faulty = faultyStorage(memoryStorage(), () => {
      calls += 1;
      return calls <= 2 ? { at: "before" } : undefined;
    });
    const storage = tracing()(retry({ initialDelayMs: 0, maxDelayMs: 0 })(faulty.storage));
    await storage.createSession("s", "u");
    await storage.createSession("s", "u").catch(() => undefined);
    const [first, second] = spans.getFinishedSpans();
    expect(first?.attributes).toMatchObject({ "waystone.retry.count": 2 });
    expect(second?.attributes).toMatchObject({ "error.type": "SESSION_EXISTS" });
    expect(second?.status).toEqual({ code: SpanStatusCode.ERROR, message: "SESSION_EXISTS" });
    expect(second?.events).toEqual([]);
  });

  it("are the parents of what the driver draws, and children of the caller's", async () => {
    const tracer = trace.getTracer("driver");
    const inner = intercept(memoryStorage(), async (_call, next) => {
      const span = tracer.startSpan("SELECT");
      const result = await next();
      span.end();
      return result;
    });
    const storage = tracing()(inner);
    await storage.getSession("s");
    spans.reset();
    await tracer.startActiveSpan("turn", async (turn) => {
      await storage.getSession("s");
      turn.end();
    });
    const [driver, own, turn] = spans.getFinishedSpans();
    expect([driver?.name, own?.name, turn?.name]).toEqual(["SELECT", "waystone.session.get", "turn"]);
    expect(driver?.parentSpanContext?.spanId).toBe(own?.spanContext().spanId);
    expect(own?.parentSpanContext?.spanId).toBe(turn?.spanContext().spanId);
  });

  it("of an export last until it is read", async () => {
    const storage = await traced();
    spans.reset();
    const records = storage.exportRecords({ sessionId: "s" })[Symbol.asyncIterator]();
    await records.next();
    expect(spans.getFinishedSpans()).toEqual([]);
    await records.return?.();
    expect(spans.getFinishedSpans().map(shown)).toEqual([
      { name: "waystone.records.export", attributes: { "waystone.backend": "memory", "gen_ai.conversation.id": "s" } },
    ]);
  });
});

describe("metrics", () => {
  it("measure durations by operation, and those of databases under the stable name", async () => {
    const inner = memoryStorage();
    const storage = tracing()({ ...inner, kind: "postgres" });
    await storage.createSession("s", "u");
    await storage.createSession("s", "u").catch(() => undefined);
    const found = await collected();
    const own = found.get("waystone.operation.duration");
    expect(own?.unit).toBe("s");
    expect(own?.points.map(({ attributes }) => attributes)).toEqual(
      expect.arrayContaining([
        { "waystone.operation": "createSession", "waystone.backend": "postgres" },
        { "waystone.operation": "createSession", "waystone.backend": "postgres", "error.type": "SESSION_EXISTS" },
      ]),
    );
    const database = found.get("db.client.operation.duration");
    expect(database?.unit).toBe("s");
    expect(database?.points[0]?.attributes).toEqual({
      "db.system.name": "postgresql",
      "db.operation.name": "createSession",
    });
    expect(database?.points[0]?.value).toHaveProperty(
      "buckets.boundaries",
      [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    );
    const ids = [...found.values()].flatMap(({ points }) =>
      points.flatMap(({ attributes }) => Object.values(attributes)),
    );
    expect(ids).not.toContain("s");
  });

  it("report what the layers inside count, until the storage is closed", async () => {
    const faulty = faultyStorage(memoryStorage());
    const layers = [tracing({ spans: false }), retry({ initialDelayMs: 0, maxDelayMs: 0, maxAttempts: 3 })];
    const again = layers[1];
    const storage = withLayers(faulty.storage, [...layers, circuitBreaker({ minCalls: 3 }), concurrencyLimit()]);
    faulty.disconnect();
    await storage.getSession("s").catch(() => undefined);
    expect(spans.getFinishedSpans()).toEqual([]);
    const found = await collected();
    const pointsOf = (name: string) => found.get(name)?.points.map(({ value, attributes }) => [value, attributes]);
    const attributes = { "waystone.backend": "memory" };
    expect(pointsOf("waystone.retry.attempts")).toEqual([[2, attributes]]);
    expect(pointsOf("waystone.circuit_breaker.state")).toEqual([[2, attributes]]);
    expect(pointsOf("waystone.concurrency_limit.running")).toEqual([[0, attributes]]);
    await storage.close();
    // The layer goes on counting for another storage, and nobody asks it any more.
    const other = faultyStorage(memoryStorage());
    other.disconnect();
    await expect(again?.(other.storage).getSession("s")).rejects.toMatchObject({ code: "CONNECTION" });
    expect(again?.readings?.()[0]?.value).toBe(4);
    expect((await collected()).get("waystone.retry.attempts")?.points).toMatchObject([{ value: 2 }]);
  });

  it("count what is stored when they are asked to", async () => {
    const storage = tracing({ storageMetrics: true })(memoryStorage());
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "hi");
    const found = await collected();
    expect(found.get("waystone.session.active")?.points).toMatchObject([{ value: 1 }]);
    expect(found.get("waystone.storage.records")?.points).toContainEqual({
      value: 1,
      attributes: { "waystone.backend": "memory", "waystone.record.kind": "messages" },
    });
    await storage.close();
  });

  it("count what cleaning up and pruning remove, and what a cache answers", async () => {
    const storage = withLayers({ ...memoryStorage(), kind: "counted" }, [tracing(), cache()]);
    await storage.createSession("s", "u");
    for (const id of ["a", "b", "c"]) await storage.storeCheckpoint("t", id, { id });
    await storage.getSession("s");
    await storage.getSession("s");
    await storage.pruneCheckpoints({ keepLast: 1 }, { dryRun: true });
    await storage.pruneCheckpoints({ keepLast: 1 });
    await storage.cleanupExpiredSessions({ maxIdleHours: 0, dryRun: true });
    await storage.cleanupExpiredSessions({ maxIdleHours: 0 });
    const found = await collected();
    const backend = { "waystone.backend": "counted" };
    expect(found.get("waystone.retention.deleted")).toEqual({
      unit: "{record}",
      points: expect.arrayContaining([
        { value: 2, attributes: { ...backend, "waystone.record.kind": "checkpoints" } },
        { value: 1, attributes: { ...backend, "waystone.record.kind": "sessions" } },
      ]),
    });
    expect(found.get("waystone.cache.requests")?.points).toEqual(
      expect.arrayContaining([
        { value: 1, attributes: { ...backend, "waystone.cache.hit": true } },
        { value: 1, attributes: { ...backend, "waystone.cache.hit": false } },
      ]),
    );
    await storage.close();
  });

  it("refuses wrong options", () => {
    for (const options of [{ spans: 1 }, { content: true }]) expect(() => tracing(options as object)).toThrow();
  });
});
