/** How the kit gets stores: a fresh one for each test, with handles on it. */
import type { DurabilityLevel, StorageBackend } from "../contract/storage-backend.js";
import type { Clock } from "../domain/clock.js";

/**
 * What a store can be tested for. These are facts about the store and its harness, not leave to break a promise: a clause that
 * needs what is not there is reported as skipped, with the reason.
 */
export interface StorageSupport {
  /** What was stored is there when all handles are closed and the store is opened again. */
  readonly reopen: boolean;
  /** `harness.open()` may be called while another handle is open: two handles on one store at once. */
  readonly secondHandle: boolean;
  /** The store's time is that of the clock given to `open`; otherwise it is the real one, and clauses wait for it. */
  readonly clock: boolean;
  /** Items have vectors, and are searched by similarity (M4, M5). Default: the store must refuse them, and their clauses are skipped. */
  readonly vectors?: boolean | undefined;
  /** Items are found by what is in their values (M2). `false`: the store must refuse filters of items. Default `true`. */
  readonly itemFilters?: boolean | undefined;
  /** Sessions share task contexts (T3). `false`: the store must refuse it. Default `true`. */
  readonly sharedContexts?: boolean | undefined;
  /** One batch of items writes below several first labels, or searches above them (M3). `false`: the store must refuse it. Default `true`. */
  readonly batchesAcrossLabels?: boolean | undefined;
  /** Sessions and checkpoints are found by their metadata (S7). `false`: the store must refuse such filters. Default `true`. */
  readonly metadataFilters?: boolean | undefined;
  /** `getMetrics` gives `sizeBytes`, and it grows with what is stored. Default `false`. */
  readonly storedBytes?: boolean | undefined;
  /** `sizeBytes` also falls within some seconds when much is removed. Default `false`. */
  readonly freedBytes?: boolean | undefined;
  /** Stored values can be replaced in place (P2). Default `false`: their clauses are skipped. */
  readonly replacements?: boolean | undefined;
  /** Handles take `changeFeed`, and tell what others write (F8). Default `false`: the clauses are skipped. */
  readonly changeFeed?: boolean | undefined;
  /** The level that `healthCheck` must report (F5). Default: the clause is skipped. */
  readonly durability?: DurabilityLevel | undefined;
}

/** Options of one handle. */
export interface OpenHandleOptions {
  /** The store's clock, where the factory supports one. */
  readonly clock?: Clock | undefined;
  /** Deadline of calls that set none, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Opens the handle with a feed of changes, where the factory supports one. */
  readonly changeFeed?: boolean | undefined;
}

/** One store of one test. */
export interface StorageHarness {
  /** A handle on the store, of the default tenant; not yet initialised. Each call gives another one. */
  open(options?: OpenHandleOptions): Promise<StorageBackend>;
  /** Removes the store with all that it takes. The kit has closed its handles before. */
  destroy(): Promise<void>;
}

/** Makes stores of one kind. */
export interface StorageFactory {
  readonly supports: StorageSupport;
  /** A new, empty store, apart from every other one. */
  create(): Promise<StorageHarness>;
}
