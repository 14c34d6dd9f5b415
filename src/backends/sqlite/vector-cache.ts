/**
 * Vectors in memory, so that a search does not read them all from the file. They are kept honest against other processes by the
 * numbers of their rows, which only grow: what is new is read, and what a search finds is compared with its row once more. So a
 * vector that was replaced or deleted may stay here for a while, and is never found.
 */
import type { Candidate } from "../../domain/nearest.js";
import { VectorBlocks, type VectorPart } from "../../domain/vector-blocks.js";
import type { Connection } from "./connection/connection.js";
import { namespaceBytes, namespaceLabels } from "./item-rows.js";
import { countVectors, type ItemVectorRow, toVectors, vectorsAfter } from "./item-vectors.js";

/** Vectors of an item as they were from one change to the next. */
export interface VectorEntry extends Candidate {
  readonly item: number;
  readonly change: number;
}

/** What the cache held at one instant: later changes do not reach it. */
export interface VectorView {
  /** Vectors up to this change are here, those after it are to be read. */
  readonly upTo: number;
  readonly parts: readonly VectorPart<VectorEntry>[];
}

/** Rows read at once. */
const ROWS_AT_ONCE = 50;

/** What an entry takes beside its numbers, in bytes, about. */
const ENTRY_BYTES = 400;

/** Looks at a tenant's vectors between two counts of what is still stored. */
const LOOKS_PER_COUNT = 200;

/** How long a tenant whose vectors do not fit is searched without the cache, in milliseconds. */
const TOO_LARGE_MS = 60_000;

interface Group {
  readonly namespace: readonly string[];
  blocks: VectorBlocks<VectorEntry>;
  /** Rows of vectors that others have replaced. */
  replaced: number;
}

class TenantVectors {
  upTo = 0;
  bytes = 0;
  looks = 0;
  /** By the bytes of their namespace. */
  readonly groups = new Map<string, Group>();
  /** The newest of each item. */
  readonly byItem = new Map<number, { readonly entry: VectorEntry; readonly bytes: number; readonly rows: number }>();
}

export class VectorCache {
  readonly #maxBytes: number;
  /** The one that was looked at last stands last. */
  readonly #tenants = new Map<number, TenantVectors>();
  readonly #tooLarge = new Map<number, number>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Reads some of what is new, until `end`.
   * @returns `true` when all of it is here, `false` when there is more, `null` when the tenant's vectors do not fit
   */
  read(db: Connection, tenant: number, end: number): boolean | null {
    if (!this.#mayFit(tenant)) return null;
    const vectors = this.#lookAt(db, tenant);
    do {
      const rows = vectorsAfter(db, tenant, vectors.upTo, ROWS_AT_ONCE);
      for (const row of rows) add(vectors, row);
      if (!this.#makeRoom(tenant)) return null;
      if (rows.length < ROWS_AT_ONCE) return true;
    } while (performance.now() < end);
    return false;
  }

  /** The vectors below a prefix, as far as they have been read. */
  view(tenant: number, prefix: readonly string[]): VectorView {
    const vectors = this.#tenants.get(tenant);
    if (vectors === undefined) return { upTo: 0, parts: [] };
    const start = groupName(namespaceBytes(prefix));
    const groups = [...vectors.groups].filter(([name]) => name.startsWith(start));
    return {
      upTo: vectors.upTo,
      parts: groups.flatMap(([, { blocks }]) => blocks.parts()),
    };
  }

  #lookAt(db: Connection, tenant: number): TenantVectors {
    let vectors = this.#tenants.get(tenant) ?? new TenantVectors();
    vectors.looks += 1;
    // What was deleted and is never near enough to be looked at again would stay for ever.
    if (vectors.looks % LOOKS_PER_COUNT === 0 && vectors.byItem.size > 64 + 1.25 * countVectors(db, tenant)) {
      vectors = new TenantVectors();
    }
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, vectors);
    return vectors;
  }

  #mayFit(tenant: number): boolean {
    const since = this.#tooLarge.get(tenant);
    if (since === undefined) return true;
    if (performance.now() - since < TOO_LARGE_MS) return false;
    this.#tooLarge.delete(tenant);
    return true;
  }

  /** Forgets tenants that were not looked at for longest. `false` when this one alone is too large. */
  #makeRoom(tenant: number): boolean {
    let bytes = 0;
    for (const each of this.#tenants.values()) bytes += each.bytes;
    for (const [other, each] of this.#tenants) {
      if (bytes <= this.#maxBytes) return true;
      if (other === tenant) break;
      bytes -= each.bytes;
      this.#tenants.delete(other);
    }
    if (bytes <= this.#maxBytes) return true;
    this.#tenants.delete(tenant);
    this.#tooLarge.set(tenant, performance.now());
    return false;
  }
}

function add(tenant: TenantVectors, row: ItemVectorRow): void {
  const name = groupName(row.namespace);
  let group = tenant.groups.get(name);
  if (group === undefined) {
    group = { namespace: namespaceLabels(row.namespace), blocks: new VectorBlocks(), replaced: 0 };
    tenant.groups.set(name, group);
  }
  const { change, item, key } = row;
  const entry: VectorEntry = { change, item, key, namespace: group.namespace };
  const vectors = toVectors(row);
  const before = tenant.byItem.get(item);
  const bytes = vectors.values.byteLength + vectors.lengths.byteLength + ENTRY_BYTES;
  tenant.byItem.set(item, { entry, bytes, rows: vectors.lengths.length });
  group.blocks.add(entry, vectors);
  tenant.bytes += bytes;
  tenant.upTo = change;
  if (before === undefined) return;
  tenant.bytes -= before.bytes;
  forget(tenant, before.entry, before.rows);
}

/** Views hold the blocks as they were: they grow, and shrink only by becoming others. */
function forget(tenant: TenantVectors, { namespace }: VectorEntry, rows: number): void {
  const group = tenant.groups.get(groupName(namespaceBytes(namespace)));
  if (group === undefined) return;
  group.replaced += rows;
  if (group.replaced * 2 < group.blocks.rows) return;
  group.blocks = group.blocks.only((entry) => tenant.byItem.get(entry.item)?.entry === entry);
  group.replaced = 0;
}

function groupName(namespace: Uint8Array): string {
  return Buffer.from(namespace.buffer, namespace.byteOffset, namespace.byteLength).toString("latin1");
}
