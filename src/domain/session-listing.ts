/** Which sessions a listing shows (S7). */
import type { SessionListing } from "./driver/storage-driver.js";
import type { StoredSession } from "./driver/stored.js";
import { matchesMetadata } from "./metadata-filter.js";

/** Whether a session passes the listing's filters but for the user, which every store finds by an index. */
export function isListed(row: StoredSession, listing: SessionListing): boolean {
  return (
    (listing.statuses === null || listing.statuses.includes(row.status)) &&
    isWithin(row.createdAt, listing.createdFrom, listing.createdTo) &&
    isWithin(row.updatedAt, listing.updatedFrom, listing.updatedTo) &&
    matchesMetadata(row.metadata, listing.metadata)
  );
}

/** Half-open range; `null` is no bound. */
function isWithin(time: number, from: number | null, to: number | null): boolean {
  return (from === null || time >= from) && (to === null || time < to);
}
