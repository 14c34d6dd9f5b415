/** Tenants: names to the numbers that every key begins with. A tenant's row is never removed: it holds the last fencing token. */
import type { Connection } from "./connection/connection.js";

/** No row has this number: a tenant that has never written reads nothing. */
const UNKNOWN = 0;

export class Tenants {
  readonly #numbers = new Map<string, number>();

  /** For a read, on a connection that sees only what is committed. */
  find(db: Connection, name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = select(db, name);
    if (number === undefined) return UNKNOWN;
    this.#numbers.set(name, number);
    return number;
  }

  /** For a write; a number that its transaction may still take back is not remembered. */
  findOrAdd(tx: Connection, name: string): number {
    return this.#numbers.get(name) ?? select(tx, name) ?? tx.insert("INSERT INTO tenants (name) VALUES (?)", name);
  }
}

function select(db: Connection, name: string): number | undefined {
  return db.get<{ id: number }>("SELECT id FROM tenants WHERE name = ?", name)?.id;
}
