/** Opening, health and metrics. */
import type { CallOptions } from "../../contract/call.js";
import { ClosedError, isStorageError } from "../../contract/errors.js";
import type { Count, HealthReport, StorageMetrics } from "../../contract/storage-backend.js";
import { knownOptions } from "../arguments.js";
import type { DriverMetrics, StorageDriver } from "../driver/storage-driver.js";
import type { RunCall } from "./run-call.js";

/** The verbs of a store's life. */
export interface LifecycleVerbs {
  initialize(options?: CallOptions): Promise<void>;
  healthCheck(options?: CallOptions): Promise<HealthReport>;
  getMetrics(options?: CallOptions): Promise<StorageMetrics>;
}

export function lifecycleVerbs(
  run: RunCall,
  driver: StorageDriver,
  tenant: string,
  isClosed: () => boolean,
): LifecycleVerbs {
  return {
    // Running any operation opens the store; this one does nothing more.
    initialize: async (options?: CallOptions) => run("initialize", knownOptions(options, []), async () => undefined),

    healthCheck: async (options?: CallOptions) => {
      const start = performance.now();
      const report = (fields: Pick<HealthReport, "status" | "durability" | "checks">): HealthReport => ({
        backend: driver.kind,
        tenant,
        checkedAt: new Date(),
        latencyMs: performance.now() - start,
        ...fields,
      });
      try {
        const health = await run("healthCheck", knownOptions(options, []), (call) => driver.health(call));
        return report({ status: statusOf(health.checks), ...health });
      } catch (error) {
        // F7: a store that cannot be reached is an answer, not a failure of the check.
        const name = isClosed() || error instanceof ClosedError ? "open" : "connection";
        const message = isStorageError(error) ? `${error.code}: ${error.message}` : "the check failed unexpectedly";
        return report({ status: "unhealthy", durability: "unknown", checks: [{ name, status: "error", message }] });
      }
    },

    getMetrics: async (options?: CallOptions) => {
      const metrics = await run("getMetrics", knownOptions(options, []), (call) => driver.metrics(call));
      return toMetrics(metrics, driver.kind, tenant);
    },
  };
}

function statusOf(checks: HealthReport["checks"]): HealthReport["status"] {
  if (checks.some((check) => check.status === "error")) return "unhealthy";
  return checks.some((check) => check.status === "warning") ? "degraded" : "healthy";
}

function toMetrics(metrics: DriverMetrics, backend: string, tenant: string): StorageMetrics {
  const count = (name: keyof DriverMetrics & string, value: number): Count => ({
    value,
    exact: !metrics.estimated.includes(name),
  });
  return {
    backend,
    tenant,
    collectedAt: new Date(),
    sessions: count("sessions", metrics.sessions),
    activeSessions: count("activeSessions", metrics.activeSessions),
    messages: count("messages", metrics.messages),
    threads: count("threads", metrics.threads),
    checkpoints: count("checkpoints", metrics.checkpoints),
    items: count("items", metrics.items),
    requests: count("requests", metrics.requests),
    errors: count("errors", metrics.errors),
    ...(metrics.sizeBytes === null ? {} : { sizeBytes: count("sizeBytes", metrics.sizeBytes) }),
  };
}
