/** Whether two writes carry the same proof of ownership: then one write may carry both. */
import type { Lease } from "../../contract/call.js";

export function sameLease(a: Lease | undefined, b: Lease | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.token === b.token);
}
