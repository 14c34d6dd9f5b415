/** How the two stores of a failover stand, in figures. */
import type { LayerReading } from "../layer.js";
import type { FailoverState } from "./events.js";
import type { Pair } from "./pair.js";
import type { Side } from "./side.js";

/** How the two stores stand. */
export interface FailoverStats {
  readonly state: FailoverState;
  /** The store in charge. */
  readonly serving: Side;
  /** Counts the changes of the store in charge; it fences off what was given out before. */
  readonly epoch: number;
  /** Units (sessions, threads, items, …) that the primary, or the fallback, misses something of. */
  readonly lag: { readonly primary: number; readonly fallback: number };
  /** Units that cannot be brought over. */
  readonly diverged: number;
  readonly isFallbackAway: boolean;
  /** Changes of the store in charge, by this process. */
  readonly switches: number;
  /** Units that were brought over. */
  readonly copiedUnits: number;
  /** Reads that were answered although they may miss acknowledged writes. */
  readonly staleReads: number;
}

export function statsOf(pair: Pair): FailoverStats {
  return {
    state: pair.state,
    serving: pair.serving,
    epoch: pair.epoch,
    lag: { primary: pair.marks.behind("primary").length, fallback: pair.marks.behind("fallback").length },
    diverged: pair.diverged,
    isFallbackAway: pair.isFallbackAway,
    switches: pair.switches,
    copiedUnits: pair.copier.copiedUnits,
    staleReads: pair.staleReads,
  };
}

export function readingsOf(stats: FailoverStats): readonly LayerReading[] {
  const reading = (
    name: string,
    type: "counter" | "gauge",
    unit: string,
    description: string,
    value: number,
    attributes?: { readonly [name: string]: string },
  ): LayerReading => ({
    name: `waystone.failover.${name}`,
    unit,
    type,
    description,
    value,
    ...(attributes === undefined ? {} : { attributes }),
  });
  const states: readonly FailoverState[] = ["primary", "degraded", "recovering"];
  const sides: readonly Side[] = ["primary", "fallback"];
  return [
    ...states.map((state) =>
      reading("state", "gauge", "1", "1 for the state that the failover is in.", stats.state === state ? 1 : 0, {
        state,
      }),
    ),
    ...sides.map((store) =>
      reading(
        "lag",
        "gauge",
        "{unit}",
        "Sessions, threads and items that a store misses something of.",
        stats.lag[store],
        {
          store,
        },
      ),
    ),
    reading("diverged", "gauge", "{unit}", "What cannot be brought over.", stats.diverged),
    reading("switches", "counter", "{switch}", "Changes of the store in charge.", stats.switches),
    reading("copied", "counter", "{unit}", "What was brought over.", stats.copiedUnits),
    reading("stale_reads", "counter", "{read}", "Reads that may miss acknowledged writes.", stats.staleReads),
  ];
}
