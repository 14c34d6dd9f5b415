/** The layer `failover`: two stores, of which one takes over from the other, and nothing is answered that may miss what was acknowledged. */
import type { CallOptions } from "../../contract/call.js";
import { InvalidArgumentError } from "../../contract/errors.js";
import { OPERATION_NAMES } from "../../contract/operations.js";
import type { ExportFilter, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { identifier } from "../../domain/identifiers.js";
import { CallsUnderWay } from "../calls-under-way.js";
import { type Layer, layer } from "../layer.js";
import { Calls } from "./calls.js";
import type { FailoverState } from "./events.js";
import { healthOf } from "./health.js";
import type { ServedOperation } from "./operation-units.js";
import { Pair } from "./pair.js";
import { checkedSettings, type FailoverOptions } from "./settings.js";
import type { Both } from "./side.js";
import { type FailoverStats, readingsOf, statsOf } from "./stats.js";

export interface FailoverLayer extends Layer {
  stats(): FailoverStats;
  /** Whether a result came from a store that may miss acknowledged writes. Numbers and what is not there carry no such mark: see the events. */
  isStale(result: unknown): boolean;
  /** Does now what is done each `probeIntervalMs`: asks the stores, brings over what can be, changes back if it may. */
  check(): Promise<FailoverState>;
  /** Waits until the fallback misses nothing, or cannot be reached; `false` then. Throws nothing. */
  flush(): Promise<boolean>;
}

/**
 * Puts a second store beside the one that it stands around. One failover at a time has two stores.
 *
 * - A store answers for what it misses no acknowledged write of, and for nothing else unless `staleReads` allows it.
 * - What one store misses is in the journal before the other is changed, and is brought over whole: the records of the session, thread or item.
 * - Leases are of the store that gave them: after a change of the store in charge they are fenced off.
 * @throws InvalidArgumentError for a bad option, and when it is put around a second storage or around a tenant's view
 */
export function failover(options: FailoverOptions): FailoverLayer {
  const settings = checkedSettings(options);
  const stale = new WeakSet<object>();
  let pair: Pair | undefined;
  const of = (): Pair => {
    if (pair === undefined) throw new InvalidArgumentError("the failover stands around no storage yet");
    return pair;
  };
  const stats = (): FailoverStats => statsOf(of());
  const self = layer(
    { kind: "failover", readings: () => (pair === undefined ? [] : readingsOf(statsOf(pair))) },
    (backend) => {
      if (pair !== undefined) throw new InvalidArgumentError("a failover stands around one storage: make another one");
      pair = new Pair(backend, settings);
      return guarded(pair, stale);
    },
  );
  return Object.assign(self, {
    stats,
    isStale: (result: unknown) => typeof result === "object" && result !== null && stale.has(result),
    check: () => of().check(),
    flush: async () => {
      const current = of();
      await current.caughtUp();
      return current.serving === "primary" && current.marks.behind("fallback").length === 0;
    },
  });
}

function guarded(pair: Pair, stale: WeakSet<object>): StorageBackend {
  const { primary } = pair.stores;
  const calls = new CallsUnderWay(primary.kind);
  const around = (tenantName: string, isRoot: boolean): StorageBackend => {
    const inner = pair.view(tenantName);
    const ofTenant = new Calls(pair, tenantName, stale);
    const verbs: { [operation: string]: unknown } = {};
    for (const operation of OPERATION_NAMES) {
      if (operation === "initialize" || operation === "close" || operation === "healthCheck") continue;
      verbs[operation] = (...args: unknown[]) => ofTenant.call(operation as ServedOperation, args);
    }
    verbs.exportRecords = (filter?: ExportFilter): AsyncIterable<StorageRecord> =>
      ofTenant.exportRecords(filter, inner.primary.exportRecords(filter));
    verbs.initialize = (given?: object) => initialize(pair, given);
    const under = isRoot ? calls : calls.view();
    const close = (): Promise<void> => under.close(() => (isRoot ? closeAll(pair) : closeBoth(inner)));
    const self: StorageBackend = {
      ...(under.around(verbs) as unknown as StorageBackend),
      kind: primary.kind,
      tenantName,
      timeoutMs: primary.timeoutMs,
      healthCheck: (given) => healthOf(pair, inner, given),
      close,
      tenant: (name) => {
        const other = identifier(name, "tenant");
        if (other === tenantName) return self;
        if (!isRoot) return primary.tenant(tenantName).tenant(other);
        return around(other, false);
      },
      [Symbol.asyncDispose]: close,
    };
    return self;
  };
  return around(primary.tenantName, true);
}

/** Opens what can be opened. @throws what the store in charge throws */
async function initialize(pair: Pair, options: CallOptions | undefined): Promise<void> {
  await pair.ready();
  const { primary, fallback } = pair.stores;
  const [first, second] = await Promise.allSettled([primary.initialize(options), fallback.initialize(options)]);
  if (second.status === "rejected") await pair.failed("fallback");
  if (first.status === "rejected") {
    await pair.failed("primary");
    if (pair.serving === "primary") throw first.reason;
  }
}

async function closeAll(pair: Pair): Promise<void> {
  try {
    await pair.close();
  } finally {
    await closeBoth(pair.stores);
  }
}

async function closeBoth({ primary, fallback }: Both<StorageBackend>): Promise<void> {
  for (const closed of await Promise.allSettled([primary.close(), fallback.close()])) {
    if (closed.status === "rejected") throw closed.reason;
  }
}
