/** `circuitBreaker`: stops sending calls to a store that is away, and tries it again with single ones. */
import { CallRefusedError, isStorageError } from "../contract/errors.js";
import { finiteNumber, integer, knownFields } from "../domain/arguments.js";
import * as cockatiel from "./bundled/cockatiel.js";
import { intercept } from "./intercept.js";
import { type Layer, type LayerReading, layer } from "./layer.js";
import { type Interceptor, type LayerCall, ofCall, passesAlways } from "./layer-call.js";

/** `closed`: calls go through. `open`: they are refused. `half-open`: some go through to try the store, the others are refused. */
export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitBreakerOptions {
  /** Opens when more than this share of the newest calls found the store away, above 0 and below 1. Default 0.5. */
  readonly threshold?: number | undefined;
  /** How many of the newest calls are looked at. Default 20. */
  readonly window?: number | undefined;
  /** Does not open before so many calls. Default 5, or `window` if that is smaller. */
  readonly minCalls?: number | undefined;
  /** How long it stays open before the store is tried again, in milliseconds. Default 5,000. */
  readonly openMs?: number | undefined;
  /** Calls that must succeed before it closes; one that hangs keeps it half-open until its deadline. Default 1. */
  readonly probes?: number | undefined;
  /** Calls whose deadline is shorter than this say nothing about the store when they time out, in milliseconds. Default 250. */
  readonly minTimeoutMs?: number | undefined;
  /** Told of every change. */
  readonly onStateChange?: ((state: CircuitState) => void) | undefined;
}

export interface CircuitBreakerLayer extends Layer {
  /** An open circuit is `open` until the first call after `openMs`, which makes it `half-open`. */
  state(): CircuitState;
}

/** What a call says about the store. */
type Verdict = "there" | "away" | "nothing";

/** What a call gave: the policy looks at the verdict, the caller gets the rest. */
type Result<T> = { readonly verdict: Verdict } & ({ readonly value: T } | { readonly error: unknown });

/**
 * Refuses calls at once with `CallRefusedError` (`circuit-open`, not applied) while the store is away.
 *
 * - Only unavailability counts: `CONNECTION` and `TIMEOUT` that may pass. A conflict or a wrong argument is an answer.
 * - Closing and the health check always go through. Exports and imports are refused like the others, and not counted.
 * @throws InvalidArgumentError for a bad option
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreakerLayer {
  const { openMs, minTimeoutMs, probes, onStateChange, breaker } = settingsOf(options);
  const circuit = cockatiel.circuitBreaker(
    cockatiel.handleWhenResult((result) => isAway(result as Result<unknown>)),
    {
      halfOpenAfter: new cockatiel.ConstantBackoff(openMs),
      breaker,
      halfOpenSampling: { calls: probes, threshold: 0 },
    },
  );
  let openUntil = 0;
  let probesBegun = 0;
  const isProbing = (): boolean => circuit.state === cockatiel.CircuitState.HalfOpen;
  // What says nothing about the store does not prove that it is back.
  const isAway = ({ verdict }: Result<unknown>): boolean =>
    verdict === "away" || (verdict === "nothing" && isProbing());
  circuit.onBreak(() => {
    openUntil = Date.now() + openMs;
  });
  circuit.onHalfOpen(() => {
    probesBegun = 1;
  });
  if (onStateChange !== undefined) circuit.onStateChange((state) => tell(onStateChange, STATES[state]));

  const refuse = (call: LayerCall): Promise<never> => {
    const retryAfterMs = isProbing() ? undefined : Math.max(0, openUntil - Date.now());
    const message = "the store was away when it was asked last, and is not asked again yet";
    return Promise.reject(ofCall(call, new CallRefusedError("circuit-open", message, { retryAfterMs })));
  };
  const interceptor: Interceptor = async (call, next) => {
    if (passesAlways(call)) return next();
    if (call.traits.settles === "stream") {
      const closed = circuit.state === cockatiel.CircuitState.Closed;
      return closed || (!isProbing() && Date.now() >= openUntil) ? next() : refuse(call);
    }
    if (isProbing()) {
      // The library lets calls wait for the probes; here they hear at once that there is no store.
      if (probesBegun >= probes) return refuse(call);
      probesBegun += 1;
    }
    try {
      const result = await circuit.execute(async () => {
        const given = await resultOf(call, next(), minTimeoutMs);
        // Neither for the store nor against it: the policy does not count what it does not handle.
        if (given.verdict === "nothing" && !isProbing()) throw new Uncounted(given);
        return given;
      });
      return outcomeOf(result);
    } catch (error) {
      if (error instanceof Uncounted) return outcomeOf(error.result as Result<never>);
      if (error instanceof cockatiel.BrokenCircuitError) return refuse(call);
      throw error;
    }
  };
  return Object.assign(
    layer({ kind: "circuit-breaker", readings: () => [readingOf(STATES[circuit.state])] }, (backend) =>
      intercept(backend, interceptor),
    ),
    { state: (): CircuitState => STATES[circuit.state] },
  );
}

/** A listener that fails must not fail the call that changed the state. */
function tell(listener: (state: CircuitState) => void, state: CircuitState): void {
  try {
    listener(state);
  } catch (error) {
    process.emitWarning(`onStateChange failed: ${String(error)}`, "WaystoneWarning");
  }
}

/** Carries a result past the policy. */
class Uncounted {
  readonly result: Result<unknown>;
  constructor(result: Result<unknown>) {
    this.result = result;
  }
}

function outcomeOf<T>(result: Result<T>): T {
  if ("error" in result) throw result.error;
  return result.value;
}

const STATES: { readonly [State in cockatiel.CircuitState]: CircuitState } = {
  [cockatiel.CircuitState.Closed]: "closed",
  [cockatiel.CircuitState.Open]: "open",
  [cockatiel.CircuitState.HalfOpen]: "half-open",
  // Nobody can isolate the circuit from outside.
  [cockatiel.CircuitState.Isolated]: "open",
};

function settingsOf(options: CircuitBreakerOptions) {
  const names = ["threshold", "window", "minCalls", "openMs", "probes", "minTimeoutMs", "onStateChange"] as const;
  const given = knownFields(options, "options", names);
  const size = integer(given.window ?? 20, "window", { min: 1, max: 100_000 });
  return {
    openMs: finiteNumber(given.openMs ?? 5_000, "openMs", { min: 1, max: 86_400_000 }),
    minTimeoutMs: finiteNumber(given.minTimeoutMs ?? 250, "minTimeoutMs", { min: 0, max: 86_400_000 }),
    probes: integer(given.probes ?? 1, "probes", { min: 1, max: 1_000 }),
    onStateChange: given.onStateChange,
    breaker: new cockatiel.CountBreaker({
      threshold: finiteNumber(given.threshold ?? 0.5, "threshold", { min: 0.001, max: 0.999 }),
      size,
      minimumNumberOfCalls: integer(given.minCalls ?? Math.min(5, size), "minCalls", { min: 1, max: size }),
    }),
  };
}

async function resultOf<T>(call: LayerCall, running: Promise<T>, minTimeoutMs: number): Promise<Result<T>> {
  try {
    return { verdict: "there", value: await running };
  } catch (error) {
    return { verdict: verdictOf(call, error, minTimeoutMs), error };
  }
}

function verdictOf(call: LayerCall, error: unknown, minTimeoutMs: number): Verdict {
  if (!isStorageError(error) || error.code === "ABORTED" || error instanceof CallRefusedError) return "nothing";
  if (error.code === "TIMEOUT") return call.timeoutMs < minTimeoutMs ? "nothing" : "away";
  if (error.code === "CONNECTION") return error.retryable ? "away" : "nothing";
  return "there";
}

function readingOf(state: CircuitState): LayerReading {
  return {
    name: "waystone.circuit_breaker.state",
    unit: "1",
    type: "gauge",
    description: "0: closed, 1: half-open, 2: open.",
    value: state === "closed" ? 0 : state === "half-open" ? 1 : 2,
  };
}
