/**
 * Which layer may stand outside which, written once. A call goes from the outside to the inside; the innermost layer is the
 * one at the store. Every rule has its reason, which is what a refusal says.
 */

/** Layers of this package, and the places that layers of others may take. */
export type LayerPlace =
  | "monitor"
  | "logging"
  | "tracing"
  | "cache"
  | "encryption"
  | "batch"
  | "failover"
  | "retry"
  | "circuit-breaker"
  | "concurrency-limit"
  | "timeout";

/** All the places, those with rules from the outside to the inside. The first three only look on: they may stand anywhere. */
export const LAYER_PLACES: readonly LayerPlace[] = [
  "monitor",
  "logging",
  "tracing",
  "encryption",
  "cache",
  "failover",
  "retry",
  "batch",
  "circuit-breaker",
  "concurrency-limit",
  "timeout",
];

interface OrderRule {
  /** Why the other order is wrong: follows "`inner` outside of `outer`: …". */
  readonly because: string;
  readonly outer: LayerPlace;
  readonly inner: LayerPlace;
}

const rule = (outer: LayerPlace, inner: LayerPlace, because: string): OrderRule => ({ outer, inner, because });

/** If both are there, `outer` stands outside of `inner`. */
export const ORDER_RULES: readonly OrderRule[] = [
  rule("encryption", "cache", "the cache would hold plain text, for whoever reads the process's memory or its dumps"),
  rule("encryption", "batch", "what waits in the batch, and in its journal, would be plain text"),
  rule("encryption", "failover", "the two stores would hold different ciphertext, and could never be compared"),
  rule("encryption", "retry", "another attempt would be encrypted anew, and one key with another payload is refused"),

  rule("cache", "failover", "the cache of one store would not see the writes that go to the other"),
  rule("cache", "retry", "hits would count as load, and let more retries reach a store that fails"),
  rule("cache", "batch", "the cache would keep what it read while newer appends wait in the batch outside of it"),
  rule("cache", "circuit-breaker", "what the cache holds would be refused while the circuit is open"),
  rule("cache", "concurrency-limit", "a hit would wait for a slot that it does not need"),
  rule("cache", "timeout", "a read that several callers share would end at the deadline of the first"),

  rule("failover", "retry", "another attempt would ask the store that the failover has just left"),
  rule("failover", "batch", "appends would wait together for one store while the other could take them"),
  rule("failover", "circuit-breaker", "failures of one store would close the way to the other"),
  rule("failover", "concurrency-limit", "a store that hangs would take the slots of the other"),
  rule("failover", "timeout", "one deadline would have to hold the calls to both stores"),

  rule(
    "retry",
    "batch",
    "a batch would be sent again whole, although only each append knows whether it may be repeated",
  ),
  rule("retry", "circuit-breaker", "attempts would go on against a store that is known to be away"),
  rule("retry", "concurrency-limit", "a call would keep its slot while it waits for its next attempt"),
  rule("retry", "timeout", "the first attempt would take all the time, and leave none for another"),

  rule("batch", "circuit-breaker", "one batch that fails would count as many failures"),
  rule(
    "batch",
    "concurrency-limit",
    "appends that wait for their batch would take the slots, and keep the batch small",
  ),
  rule("batch", "timeout", "the time in which a batch gathers would count as the store's"),

  rule("circuit-breaker", "concurrency-limit", "calls would queue for a slot only to hear that the circuit is open"),
  rule("circuit-breaker", "timeout", "a store that never answers would never open the circuit"),

  rule("concurrency-limit", "timeout", "the wait for a slot would count as the store's time"),
];

/** Layers that stand once in a stack, with the reason. Those that only look on may stand more than once. */
export const ONCE: ReadonlyMap<LayerPlace, string> = new Map<LayerPlace, string>([
  ["cache", "the inner cache would answer the outer one with what is old"],
  ["encryption", "what is encrypted would be encrypted again"],
  ["batch", "a batch would wait for a batch"],
  ["failover", "give the fallback a failover of its own instead"],
  ["retry", "the attempts of one would be multiplied by those of the other"],
  ["circuit-breaker", "the outer one would count the refusals of the inner one"],
  ["concurrency-limit", "the smaller limit is the one that counts"],
  ["timeout", "the shorter deadline is the one that counts"],
]);

/**
 * What is wrong with a stack, as one sentence; `undefined` if nothing is.
 * @param places the places of its layers, from the outside to the inside
 */
export function orderProblem(places: readonly LayerPlace[]): string | undefined {
  for (const [i, outer] of places.entries()) {
    for (const inner of places.slice(i + 1)) {
      const why = outer === inner ? ONCE.get(outer) : undefined;
      if (why !== undefined) return `a stack has one ${outer} layer: ${why}`;
      const broken = ORDER_RULES.find((each) => each.outer === inner && each.inner === outer);
      if (broken !== undefined) return `${inner} must stand outside of ${outer}: else ${broken.because}`;
    }
  }
  return undefined;
}
