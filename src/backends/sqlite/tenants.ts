/** Tenants: names to the numbers that every key begins with. A tenant's row is never removed: it holds the last fencing token. */
import type { Connection } from "./connection/connection.js";

/** No row has this number: a tenant that has never written reads nothing. */
const UNKNOWN = 0;

export class Tenants {
  readonly #numbers = new Map<string, number>();
  /** Looked up or made in the transaction that is running, which may still take them back. */
  readonly #uncommitted = new Map<string, number>();

  /** For a read, on a connection that sees only what is committed. */
  find(db: Connection, name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = select(db, name);
    if (number === undefined) return UNKNOWN;
    this.#numbers.set(name, number);
    return number;
  }

  /** For a write. */
  findOrAdd(tx: Connection, name: string): number {
    const known = this.#numbers.get(name) ?? this.#uncommitted.get(name);
    if (known !== undefined) return known;
    const number = select(tx, name) ?? tx.insert("INSERT INTO tenants (name) VALUES (?)", name);
    this.#uncommitted.set(name, number);
    return number;
  }

  /** A transaction begins: what an earlier one has looked up is of no use any more. */
  begin(): void {
    if (this.#uncommitted.size > 0) this.#uncommitted.clear();
  }

  /** The transaction is committed. */
  commit(): void {
    if (this.#uncommitted.size === 0) return;
    for (const [name, number] of this.#uncommitted) this.#numbers.set(name, number);
    this.#uncommitted.clear();
  }
}

function select(db: Connection, name: string): number | undefined {
  return db.get<{ id: number }>("SELECT id FROM tenants WHERE name = ?", name)?.id;
}
