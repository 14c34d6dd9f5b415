/**
 * Who is on the way at the moment, where thousands come and go each second. A `Set` would make a new table every few of them, and one old
 * table that the collector has moved keeps all that follow, with what they hold, until a full collection.
 */

/** Where a member stands; -1 for nowhere. It belongs to the list. */
export interface Member {
  place: number;
}

export class InFlight<M extends Member> implements Iterable<M> {
  readonly #members: M[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: M): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  delete(member: M): void {
    const { place } = member;
    if (this.#members[place] !== member) return;
    const last = this.#members.pop() as M;
    if (last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
  }

  /** Those of this moment, whoever comes or goes meanwhile. */
  [Symbol.iterator](): Iterator<M> {
    return [...this.#members].values();
  }
}
