/** Search by similarity in the memory backend: every vector below the prefix is compared (M5). */
import type { NearestListing, ScoredItem } from "../../domain/driver/items.js";
import type { Rows } from "../../domain/driver/stored.js";
import { ifMatching } from "../../domain/item-filter.js";
import { isItemExpired } from "../../domain/items.js";
import { startsWithLabels } from "../../domain/namespaces.js";
import { Ranking } from "../../domain/nearest.js";
import type { Slices } from "../../domain/slices.js";
import { assertDimensions } from "../../domain/vectors.js";
import { type KeptItem, startOf } from "./kept-items.js";
import type { Tenant } from "./state.js";

/** Vectors compared between two looks whether it is time for others. */
const VECTORS_PER_LOOK = 64;

/** Sees the items as they were when it began, whatever changes meanwhile. @throws InvalidArgumentError (M4) */
export async function nearestItems(
  tenant: Tenant,
  listing: NearestListing,
  now: number,
  slices: Slices,
): Promise<Rows<ScoredItem>> {
  const { prefix, filter, vector, limit, offset } = listing;
  const [root] = prefix;
  if (root !== undefined) assertDimensions(root, tenant.dimensions.get(root), vector.length);
  const view = tenant.items.vectorsBelow(prefix);
  const unscored = itemsWithout(tenant, listing);
  const ranking = new Ranking<KeptItem>(listing);
  for (const part of view.parts) {
    for (let row = 0; row < part.rows; ) {
      row = ranking.addRows(part, row, row + VECTORS_PER_LOOK);
      if (slices.over()) await slices.next();
    }
  }
  const rows: ScoredItem[] = [];
  let passed = 0;
  const add = (item: KeptItem, score: number | null): boolean => {
    passed += 1;
    if (passed > offset && rows.length < limit) rows.push({ item, score });
    return passed <= offset + limit;
  };
  /** `false` when the page wants no more. */
  const offer = (item: KeptItem, score: number | null): boolean | Promise<boolean> => {
    if (isItemExpired(item, now)) return true;
    const goesOn = ifMatching(filter, item.value, () => add(item, score));
    return typeof goesOn === "boolean" ? goesOn : slices.run(goesOn);
  };
  for (let best = ranking.next(); best !== undefined; best = ranking.next()) {
    const { candidate, score } = best;
    if (view.isThere(candidate) && !(await offer(candidate, score))) return { rows, more: true };
    if (slices.over()) await slices.next();
  }
  for (const item of unscored) {
    if (!startsWithLabels(item.namespace, prefix)) break;
    if (item.vectors === null && !(await offer(item, null))) return { rows, more: true };
    if (slices.over()) await slices.next();
  }
  return { rows, more: false };
}

/** Items among which are those that come last, if they are wanted: in their order, from where the page before has ended. */
function itemsWithout({ items }: Tenant, { prefix, after, minScore, unscored }: NearestListing): Iterable<KeptItem> {
  if (!unscored || minScore !== null) return [];
  return items.scan("asc", after === null || after.score !== null ? startOf(prefix) : after);
}
