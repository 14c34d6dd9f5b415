/**
 * `storageBackend(driver)`: the contract over a driver. Here is what every store has in common; a driver has the rest.
 */
import type { ChangeFeed } from "../../contract/change-feed.js";
import { InvalidArgumentError, quoteIdentifier } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { DEFAULT_TIMEOUT_MS, timeoutOption } from "../call-options.js";
import type { Clock } from "../clock.js";
import { systemClock } from "../clock.js";
import { feedOfTenant } from "../driver/changes.js";
import type { StorageDriver } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { checkpointVerbs } from "./checkpoint-verbs.js";
import { conversationVerbs } from "./conversation-verbs.js";
import { withErrorFields } from "./error-fields.js";
import { itemVerbs } from "./item-verbs.js";
import { leaseVerbs } from "./lease-verbs.js";
import { lifecycleVerbs } from "./lifecycle-verbs.js";
import { recordVerbs } from "./record-verbs.js";
import { runCalls, StoreLifecycle } from "./run-call.js";
import { sessionVerbs } from "./session-verbs.js";
import { storedValueVerbs } from "./stored-values.js";
import { taskContextVerbs } from "./task-context-verbs.js";

/** Name of the tenant that a storage reaches unless told otherwise. */
export const DEFAULT_TENANT = "default";

/** Options that every backend takes. */
export interface StorageBackendOptions {
  /** Deadline of calls that set none, in milliseconds. Default 10,000 (F2). */
  readonly timeoutMs?: number | undefined;
  /** Stamps times and expiries where the store has no clock of its own. Default: the system's. */
  readonly clock?: Clock | undefined;
  /** The tenant of the storage itself. Default `"default"`. */
  readonly tenant?: string | undefined;
}

/**
 * A storage over a driver: what a backend's factory returns.
 * @throws InvalidArgumentError for a bad option
 */
export function storageBackend(driver: StorageDriver, options: StorageBackendOptions = {}): StorageBackend {
  const store = new StoreLifecycle(driver, timeoutOption(options.timeoutMs) ?? DEFAULT_TIMEOUT_MS);
  const clock = options.clock ?? systemClock;
  const tenantName = options.tenant === undefined ? DEFAULT_TENANT : identifier(options.tenant, "tenant");
  const root: StorageBackend = view(store, clock, tenantName, {
    changes: driver.changes,
    isClosed: () => store.closed,
    close: () => store.close(),
    tenant: (name) => (name === tenantName ? root : tenantView(store, clock, name)),
  });
  return root;
}

/** What a view of the store does in its own way. */
interface ViewScope {
  readonly changes: ChangeFeed | undefined;
  readonly isClosed: () => boolean;
  readonly close: () => Promise<void>;
  readonly tenant: (name: string) => StorageBackend;
}

/** A tenant's view reaches nothing else: not another tenant, and not the store's end. */
function tenantView(store: StoreLifecycle, clock: Clock, tenantName: string): StorageBackend {
  let closed = false;
  const { changes } = store.driver;
  const self: StorageBackend = view(store, clock, tenantName, {
    changes: changes && feedOfTenant(changes, tenantName),
    isClosed: () => closed || store.closed,
    close: async () => {
      closed = true;
    },
    tenant: (name) => {
      if (name === tenantName) return self;
      throw new InvalidArgumentError(`the view of tenant ${quoteIdentifier(tenantName)} reaches no other tenant`);
    },
  });
  return self;
}

function view(store: StoreLifecycle, clock: Clock, tenantName: string, scope: ViewScope): StorageBackend {
  const { driver } = store;
  const { run, openStream } = runCalls(store, tenantName, scope.isClosed);
  const verbs = {
    ...sessionVerbs(run, driver, clock),
    ...conversationVerbs(run, driver),
    ...checkpointVerbs(run, driver),
    ...taskContextVerbs(run, driver),
    ...itemVerbs(run, driver),
    ...leaseVerbs(run, driver),
    ...lifecycleVerbs(run, driver, tenantName, scope.isClosed),
    ...recordVerbs(run, openStream, driver),
    ...storedValueVerbs(run, driver),
    close: scope.close,
  };
  return {
    kind: driver.kind,
    ...(scope.changes === undefined ? {} : { changes: scope.changes }),
    tenantName,
    timeoutMs: store.timeoutMs,
    ...withErrorFields(verbs, driver.kind),
    tenant: (name) => scope.tenant(identifier(name, "tenant")),
    [Symbol.asyncDispose]: scope.close,
  };
}
