/**
 * Which subject may hold what was sealed for another: a copied thread its source's states, sessions that share a task context each
 * other's versions. Without a grant such a record is one that was moved.
 *
 * Grants are items of a tenant of their own, which no view of the application reaches. They are sealed, and only ever grow: a
 * record that a deleted session has written may live on with a session that shares it.
 */
import { hash } from "node:crypto";
import type { CallOptions } from "../../contract/call.js";
import { ConflictError, CorruptionError, UnsupportedError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { CallTime } from "./call-time.js";
import { bound, open, partsOf, seal, sealedText } from "./seal.js";
import type { TenantKeys } from "./tenant-keys.js";

/** What has grants: a thread by its id, a session by its label. */
export type GrantHolder = "session" | "thread";

/** Acceptances that are remembered: as grants only grow, each stays true. */
const MAX_REMEMBERED = 10_000;

/** The field of a grant's item. */
export const GRANT_FIELD = "wse";

export class Grants {
  readonly #view: () => StorageBackend;
  readonly #keys: TenantKeys;
  readonly #accepted = new Set<string>();

  /** @param view the tenant that holds the grants; throws where it cannot be reached */
  constructor(view: () => StorageBackend, keys: TenantKeys) {
    this.#view = view;
    this.#keys = keys;
  }

  /** Labels that a subject was granted, its own left out. */
  async of(holder: GrantHolder, id: string, options: CallOptions): Promise<readonly string[]> {
    const item = await this.#view().getItem([holder], id, options);
    return item === undefined ? [] : this.#labels(holder, id, item.value[GRANT_FIELD]);
  }

  /** Grants a subject these labels, beside those that it has. */
  async add(holder: GrantHolder, id: string, labels: readonly string[], time: CallTime): Promise<void> {
    const view = this.#view();
    for (;;) {
      const item = await view.getItem([holder], id, time.options());
      const before = item === undefined ? [] : await this.#labels(holder, id, item.value[GRANT_FIELD]);
      const all = [...new Set([...before, ...labels])];
      if (all.length === before.length) return;
      await this.#keys.ready();
      const key = this.#keys.current("grant", grantSubject(holder, id));
      const sealed = sealedText(key, seal(key, GRANT, Buffer.from(JSON.stringify(all))));
      try {
        await view.putItem(
          [holder],
          id,
          { [GRANT_FIELD]: sealed },
          { ...time.options(), expectedVersion: item?.version ?? 0 },
        );
        return;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        await time.backOff();
      }
    }
  }

  isAccepted(holder: GrantHolder, id: string, label: string): boolean {
    return this.#accepted.has(JSON.stringify([holder, id, label]));
  }

  accept(holder: GrantHolder, id: string, label: string): void {
    if (this.#accepted.size >= MAX_REMEMBERED) this.#accepted.clear();
    this.#accepted.add(JSON.stringify([holder, id, label]));
  }

  async #labels(holder: GrantHolder, id: string, text: unknown): Promise<readonly string[]> {
    const parts = partsOf(text);
    if (parts === undefined) throw new CorruptionError(`the grants of a ${holder} are damaged`);
    const key = await this.#keys.byId(parts.keyId, "grant", grantSubject(holder, id));
    return JSON.parse(open(key, GRANT, parts.sealed, `the grants of a ${holder}`).toString()) as string[];
  }
}

const GRANT = bound("grant");

/** What the key of its grants is for. */
export function grantSubject(holder: GrantHolder, id: string): string {
  return JSON.stringify([holder, id]);
}

/** The tenant that holds the grants of another one: no application has a name like this. */
export function grantsTenant(tenant: string): string {
  return `waystone.encryption.${hash("sha256", tenant)}`;
}

/** The view of that tenant, from the storage that was opened. */
export function grantsView(root: StorageBackend, tenant: string): () => StorageBackend {
  let view: StorageBackend | undefined;
  return () => {
    if (view !== undefined) return view;
    try {
      view = root.tenant(grantsTenant(tenant));
    } catch (error) {
      throw new UnsupportedError(
        "copied threads and shared contexts need the encryption around the storage that was opened, not around a tenant's view",
        { cause: error },
      );
    }
    return view;
  };
}
