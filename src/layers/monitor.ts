/** `monitor`: counts calls, errors and how long they take, for a report and for plots. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { isStorageError } from "../contract/errors.js";
import type { OperationName } from "../contract/operations.js";
import { integer, knownFields } from "../domain/arguments.js";
import { intercept } from "./intercept.js";
import { type Layer, layer } from "./layer.js";
import type { Interceptor } from "./layer-call.js";

export interface MonitorOptions {
  /** How many of the newest calls are kept one by one. Default 1,000; 0 keeps none. */
  readonly samples?: number | undefined;
}

/** What became of the calls of one operation. Latencies are in milliseconds, within a hundredth of what they were. */
export interface OperationReport {
  readonly totalOperations: number;
  readonly errorCount: number;
  /** From 0 to 1. */
  readonly errorRate: number;
  readonly avgLatencyMs: number;
  readonly minLatencyMs: number;
  readonly maxLatencyMs: number;
  readonly p50LatencyMs: number;
  readonly p95LatencyMs: number;
  readonly p99LatencyMs: number;
  /** How often each code was met; `OTHER` is what is no error of a storage. */
  readonly errors: { readonly [code: string]: number };
}

/** The operations that were called since the monitor began, or was reset. */
export type PerformanceReport = { readonly [Name in OperationName]?: OperationReport };

/** One call. */
export interface MonitorSample {
  readonly operation: OperationName;
  /** When it began, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly latencyMs: number;
  /** Code of its error. */
  readonly code?: string;
}

export interface MonitorLayer extends Layer {
  performanceReport(): PerformanceReport;
  /** The newest calls in the order in which they ended. */
  samples(): MonitorSample[];
  /** Forgets all that was counted. */
  reset(): void;
}

/**
 * Looks on and counts. Refused arguments are calls too; an export lasts until its reader has the last record.
 * @throws InvalidArgumentError for a bad option
 */
export function monitor(options: MonitorOptions = {}): MonitorLayer {
  const given = knownFields(options, "options", ["samples"]);
  const newest = new NewestSamples(integer(given.samples ?? 1_000, "samples", { min: 0, max: 10_000_000 }));
  const tallies = new Map<OperationName, Tally>();
  const note = (operation: OperationName, begun: number, code: string | undefined): void => {
    const latencyMs = performance.now() - begun;
    let tally = tallies.get(operation);
    if (tally === undefined) {
      tally = new Tally();
      tallies.set(operation, tally);
    }
    tally.add(latencyMs, code);
    newest.add(operation, begun, latencyMs, code);
  };
  const interceptor: Interceptor = (call, next) => {
    const begun = performance.now();
    const running = next();
    running.then(
      () => note(call.operation, begun, undefined),
      (error: unknown) => note(call.operation, begun, codeOf(error)),
    );
    return running;
  };
  return Object.assign(
    layer({ kind: "monitor" }, (backend) => intercept(backend, interceptor)),
    {
      performanceReport: (): PerformanceReport =>
        Object.fromEntries([...tallies].map(([operation, tally]) => [operation, tally.report()])),
      samples: () => newest.list(),
      reset: () => {
        tallies.clear();
        newest.clear();
      },
    },
  );
}

function codeOf(error: unknown): string {
  return isStorageError(error) ? error.code : "OTHER";
}

const NS_PER_MS = 1_000_000;

/** An hour: what takes longer counts as one. */
const LONGEST_NS = 3_600_000 * NS_PER_MS;

class Tally {
  // Two figures are enough, and take 40 KB; three would take ten times as much.
  readonly #latencies: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: 2 });
  readonly #errors = new Map<string, number>();

  add(latencyMs: number, code: string | undefined): void {
    this.#latencies.record(Math.min(LONGEST_NS, Math.max(1, Math.round(latencyMs * NS_PER_MS))));
    if (code !== undefined) this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  report(): OperationReport {
    const latencies = this.#latencies;
    const totalOperations = latencies.count;
    const errorCount = [...this.#errors.values()].reduce((sum, count) => sum + count, 0);
    return {
      totalOperations,
      errorCount,
      errorRate: errorCount / totalOperations,
      avgLatencyMs: latencies.mean / NS_PER_MS,
      minLatencyMs: latencies.min / NS_PER_MS,
      maxLatencyMs: latencies.max / NS_PER_MS,
      p50LatencyMs: latencies.percentile(50) / NS_PER_MS,
      p95LatencyMs: latencies.percentile(95) / NS_PER_MS,
      p99LatencyMs: latencies.percentile(99) / NS_PER_MS,
      errors: Object.fromEntries(this.#errors),
    };
  }
}

/** A ring of columns: a call costs no object until somebody looks. */
class NewestSamples {
  readonly #size: number;
  readonly #begun: Float64Array;
  readonly #latencies: Float64Array;
  readonly #operations: OperationName[] = [];
  readonly #codes: (string | undefined)[] = [];
  #added = 0;

  constructor(size: number) {
    this.#size = size;
    this.#begun = new Float64Array(size);
    this.#latencies = new Float64Array(size);
  }

  add(operation: OperationName, begun: number, latencyMs: number, code: string | undefined): void {
    if (this.#size === 0) return;
    const at = this.#added % this.#size;
    this.#begun[at] = begun;
    this.#latencies[at] = latencyMs;
    this.#operations[at] = operation;
    this.#codes[at] = code;
    this.#added += 1;
  }

  list(): MonitorSample[] {
    const count = Math.min(this.#added, this.#size);
    return Array.from({ length: count }, (_, i) => this.#at((this.#added - count + i) % this.#size));
  }

  clear(): void {
    this.#added = 0;
  }

  #at(index: number): MonitorSample {
    const code = this.#codes[index];
    return {
      operation: this.#operations[index] as OperationName,
      startedAt: performance.timeOrigin + (this.#begun[index] as number),
      latencyMs: this.#latencies[index] as number,
      ...(code === undefined ? {} : { code }),
    };
  }
}
