/** The tenants that the journal knows, and what it knows of them. */

import type { FailoverJournal, JournalWriter } from "./journal.js";

const TENANT = "tenant:";
const VECTORS = "vectors:";

export class KnownTenants {
  readonly #journal: JournalWriter;
  readonly #names = new Set<string>();
  readonly #withVectors = new Set<string>();

  constructor(journal: JournalWriter) {
    this.#journal = journal;
  }

  async load(journal: FailoverJournal): Promise<void> {
    for (const [name] of await journal.list(TENANT)) this.#names.add(name.slice(TENANT.length));
    for (const [name] of await journal.list(VECTORS)) this.#withVectors.add(name.slice(VECTORS.length));
  }

  /** Whether the tenant was not known before. */
  meet(tenant: string): boolean {
    if (this.#names.has(tenant)) return false;
    this.#names.add(tenant);
    this.#journal.putLater(TENANT + tenant, "1");
    return true;
  }

  hasVectors(tenant: string): boolean {
    return this.#withVectors.has(tenant);
  }

  /** From now on items of the tenant may have vectors. */
  async noteVectors(tenant: string): Promise<void> {
    if (this.#withVectors.has(tenant)) return;
    await this.#journal.put(VECTORS + tenant, "1");
    this.#withVectors.add(tenant);
  }
}
