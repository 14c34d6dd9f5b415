/**
 * One atomic step that takes long: the call has its tenant for itself, so that it may pause on its way and nobody sees the
 * half of it. Others of the tenant wait, as they would for any step; the rest of the process goes on.
 */
import type { Call } from "../../domain/driver/call.js";
import type { MemoryStore, Tenant } from "./state.js";

/** Runs work that other calls come before or after: at once, unless another one has the tenant. */
export async function alone<T>(tenant: Tenant, work: () => Promise<T>): Promise<T> {
  while (tenant.taken !== null) await tenant.taken;
  const { promise, resolve } = Promise.withResolvers<void>();
  tenant.taken = promise;
  try {
    return await work();
  } finally {
    tenant.taken = null;
    resolve();
  }
}

/** What a call has to wait for before it enters its tenant; `null` when it may. */
export function takenBy(store: MemoryStore, call: Call): Promise<void> | null {
  return store.tenants.get(call.tenant)?.taken ?? null;
}

type Verb = (call: Call, ...rest: never[]) => Promise<unknown>;

/** The same verbs, which begin when nobody has their tenant for himself. */
export function inTurn<Verbs extends { readonly [Name in keyof Verbs]: Verb }>(
  store: MemoryStore,
  verbs: Verbs,
): Verbs {
  const waiting = Object.entries<Verb>(verbs).map(([name, verb]) => {
    const begin: Verb = (call, ...rest) => {
      const taken = takenBy(store, call);
      return taken === null ? verb(call, ...rest) : taken.then(() => begin(call, ...rest));
    };
    return [name, begin] as const;
  });
  return Object.fromEntries(waiting) as unknown as Verbs;
}
