/** Search by similarity in the memory backend: every vector below the prefix is compared (M5). */
import type { JsonObject } from "../../contract/json.js";
import type { Call } from "../../domain/driver/call.js";
import type { NearestListing, ScoredItem } from "../../domain/driver/items.js";
import type { Rows } from "../../domain/driver/stored.js";
import { isItemExpired } from "../../domain/items.js";
import { startsWithLabels } from "../../domain/namespaces.js";
import { Ranking } from "../../domain/nearest.js";
import { inSlices, type Slices } from "../../domain/slices.js";
import { assertDimensions } from "../../domain/vectors.js";
import type { KeptItem, Tenant } from "./state.js";

/** Sees the items as they were when it began, whatever changes meanwhile. @throws InvalidArgumentError (M4) */
export async function nearestItems(
  call: Call,
  tenant: Tenant,
  listing: NearestListing,
  now: number,
  slices: Slices,
): Promise<Rows<ScoredItem>> {
  const { prefix, filter, vector, limit, offset } = listing;
  const [root] = prefix;
  if (root !== undefined) assertDimensions(root, tenant.dimensions.get(root), vector.length);
  const ranking = new Ranking<KeptItem>(listing);
  await inSlices(
    call,
    tenant.items.scan("asc", { namespace: prefix, key: "" }),
    (item) => {
      if (!startsWithLabels(item.namespace, prefix)) return false;
      if (!isItemExpired(item, now)) ranking.add(item, item.vectors);
      return true;
    },
    slices,
  );
  const rows: ScoredItem[] = [];
  for (let best = ranking.next(), passed = 0; best !== undefined; best = ranking.next()) {
    if (slices.over()) await slices.next();
    const { candidate: item, score } = best;
    if (filter !== null && !filter.matches(JSON.parse(item.value) as JsonObject)) continue;
    passed += 1;
    if (passed <= offset) continue;
    if (rows.length === limit) return { rows, more: true };
    rows.push({ item, score });
  }
  return { rows, more: false };
}
