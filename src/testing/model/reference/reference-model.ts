/**
 * The contract as plain Maps: what a store of any kind shows to its callers, and nothing of how one works. It shares no rule
 * with the product, so that both must be wrong in the same way to agree on a mistake.
 */
import type { ModelVerbs } from "../verbs.js";
import { checkpointVerbs } from "./checkpoints.js";
import { conversationVerbs } from "./conversations.js";
import { dimensionsOf, itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { removeSession, sessionExpiry, sessionVerbs } from "./sessions.js";
import type { TenantState } from "./state.js";
import { emptyTenant } from "./state.js";
import { taskContextVerbs } from "./task-contexts.js";

/** How long an idempotency key is remembered (S5). */
const DAY_MS = 86_400_000;

/** A store of many tenants. */
export class ReferenceModel {
  readonly #now: () => number;
  readonly #tenants = new Map<string, { readonly state: TenantState; readonly verbs: ModelVerbs }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The verbs of a tenant, as of now: what has expired is gone. */
  tenant(name: string): ModelVerbs {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known.verbs;
    const state = emptyTenant(this.#now);
    const verbs: ModelVerbs = {
      ...sessionVerbs(state),
      ...conversationVerbs(state),
      ...checkpointVerbs(state),
      ...taskContextVerbs(state),
      ...itemVerbs(state),
      ...leaseVerbs(state),
    };
    this.#tenants.set(name, { state, verbs });
    return verbs;
  }

  /** What an export does not take along: leases and idempotency keys belong to their store (P1). */
  leaveBehind(): void {
    for (const { state } of this.#tenants.values()) {
      state.leases.clear();
      state.expired.clear();
      state.dimensions = dimensionsOf(state.items.values());
      for (const session of state.sessions.values()) session.idempotency.clear();
    }
  }

  /** How many expired sessions a cleanup of the tenant may count, if the store has not removed them before. */
  remains(name: string): number {
    return this.#tenants.get(name)?.state.expired.size ?? 0;
  }

  /**
   * Drops what has expired by now, and returns the latest of those expiries. What was gone stays gone (S8): a clock that steps
   * back to before that instant would bring it back in stores that had no reason to look at it meanwhile.
   */
  expire(): number | undefined {
    const passed: number[] = [];
    for (const { state } of this.#tenants.values()) passed.push(...expireTenant(state));
    return passed.length === 0 ? undefined : Math.max(...passed);
  }
}

function expireTenant(state: TenantState): number[] {
  const now = state.now();
  const passed: number[] = [];
  const isOver = (expiry: number | undefined): boolean => {
    if (expiry === undefined || now < expiry) return false;
    passed.push(expiry);
    return true;
  };
  for (const session of [...state.sessions.values()]) {
    if (isOver(sessionExpiry(session))) {
      removeSession(state, session.sessionId);
      state.expired.add(session.sessionId);
    }
    for (const [key, { at }] of session.idempotency) if (isOver(at + DAY_MS)) session.idempotency.delete(key);
  }
  for (const [key, item] of state.items) if (isOver(item.expiresAt)) state.items.delete(key);
  return passed;
}
