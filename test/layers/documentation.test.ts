// docs/layers.md lists the options that the layers have, with their defaults' names, and the order that is checked.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type {
  BatchOptions,
  CacheOptions,
  CircuitBreakerOptions,
  ConcurrencyLimitOptions,
  EncryptionOptions,
  FailoverOptions,
  LoggingOptions,
  MonitorOptions,
  RetryOptions,
  TimeoutOptions,
  TracingOptions,
} from "../../src/layers/index.js";
import { LAYER_PLACES } from "../../src/layers/index.js";
import { repositoryRoot } from "../support/repository.js";

type Named<Options> = { readonly [Name in keyof Options]-?: true };

const retry: Named<RetryOptions> = {
  maxAttempts: true,
  initialDelayMs: true,
  maxDelayMs: true,
  budgetRatio: true,
  budgetReserve: true,
};
const timeout: Named<TimeoutOptions> = { timeoutMs: true, operations: true };
const circuitBreaker: Named<CircuitBreakerOptions> = {
  threshold: true,
  window: true,
  minCalls: true,
  openMs: true,
  probes: true,
  minTimeoutMs: true,
  onStateChange: true,
};
const concurrencyLimit: Named<ConcurrencyLimitOptions> = { maxConcurrent: true, maxQueue: true };
const monitor: Named<MonitorOptions> = { samples: true };
const logging: Named<LoggingOptions> = {
  logger: true,
  success: true,
  slowMs: true,
  identifiers: true,
  hashKey: true,
};
const tracing: Named<TracingOptions> = { spans: true, metrics: true, databaseMetrics: true, storageMetrics: true };

const batch: Named<BatchOptions> = {
  maxMessages: true,
  maxBytes: true,
  delayMs: true,
  counters: true,
  maxWaiting: true,
  maxWaitingBytes: true,
};
const cache: Named<CacheOptions> = {
  maxEntries: true,
  maxBytes: true,
  ttlMs: true,
  absentTtlMs: true,
  validate: true,
  feed: true,
};
const encryption: Named<EncryptionOptions> = {
  keys: true,
  metadata: true,
  vectors: true,
  plaintext: true,
  compress: true,
};

const failover: Named<FailoverOptions> = {
  fallback: true,
  mode: true,
  journal: true,
  staleReads: true,
  cooldownMs: true,
  probeIntervalMs: true,
  probeTimeoutMs: true,
  attemptTimeoutMs: true,
  copyTimeoutMs: true,
  onEvent: true,
};

const page = readFileSync(join(repositoryRoot, "docs", "layers.md"), "utf8");

/** Names in the first column of the option table below a heading. */
function listed(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => /^\| `/.test(line));
  return rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""));
}

describe("docs/layers.md", () => {
  it.each<[string, object]>([
    ["Batch", batch],
    ["Cache", cache],
    ["Encryption", encryption],
    ["Failover", failover],
    ["Retry", retry],
    ["Timeout", timeout],
    ["Circuit breaker", circuitBreaker],
    ["Concurrency limit", concurrencyLimit],
    ["Monitor", monitor],
    ["Logging", logging],
    ["Tracing", tracing],
  ])("lists the options of %s", (heading, options) => {
    expect(listed(heading)).toEqual(Object.keys(options));
  });

  it("tells the order that is checked", () => {
    expect(page).toContain(
      LAYER_PLACES.slice(3)
        .map((place) => `\`${place}\``)
        .join(", "),
    );
  });
});
