/** Listing sessions (S7): an index gives them in order from where the page begins; what is not asked for is passed by in bounded steps. */
import type { Call } from "../../domain/driver/call.js";
import type { SessionListing } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredSession } from "../../domain/driver/stored.js";
import { isListed } from "../../domain/session-listing.js";
import type { Connection } from "./connection/connection.js";
import { LIST_SESSIONS } from "./lua/sessions.js";
import { toStoredSession } from "./session-rows.js";

/** Sessions that one step looks at, at most. */
const LARGEST_STEP = 512;

export async function listSessions(
  connection: Connection,
  call: Call,
  listing: SessionListing,
): Promise<Rows<StoredSession>> {
  const { userId, orderBy, direction, limit } = listing;
  const order = orderBy === "createdAt" ? "c" : "u";
  const index = userId === null ? `s${order}` : `u${order}:${userId}`;
  const [from, to] =
    orderBy === "createdAt" ? [listing.createdFrom, listing.createdTo] : [listing.updatedFrom, listing.updatedTo];
  const rows: StoredSession[] = [];
  let after: readonly [time: string | number, id: string] =
    listing.after === null ? ["", ""] : [listing.after.time, listing.after.id];
  for (let step = Math.min(limit + 1, LARGEST_STEP); ; step = Math.min(step * 2, LARGEST_STEP)) {
    const found = await connection.run<(string | readonly string[] | null)[]>(call, LIST_SESSIONS, [
      index,
      direction,
      step,
      from ?? "",
      to ?? "",
      ...after,
    ]);
    for (let i = 0; i < found.length; i += 3) {
      const id = found[i] as string;
      after = [found[i + 1] as string, id];
      const fields = found[i + 2];
      if (fields == null) continue;
      const session = toStoredSession(id, fields as readonly string[]);
      if (!isListed(session, listing)) continue;
      if (rows.length === limit) return { rows, more: true };
      rows.push(session);
    }
    if (found.length < 3 * step) return { rows, more: false };
    if (call.cancelled) throw call.cancellation();
  }
}
