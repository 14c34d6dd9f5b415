/** Choices that a property tester draws and shrinks. A program is read off them, so that smaller numbers mean a simpler one. */

import type { Cast, Pool } from "./names.js";

/** Choices are whole numbers below this. */
export const CHOICE_LIMIT = 256;

/** Ways to go on, the simplest first, each with its weight; a weight of 0 is never drawn. */
export type Weighted<T> = readonly (readonly [weight: number, draw: () => T])[];

export class Draw {
  /** The names that may be drawn. */
  readonly cast: Cast;
  readonly #choices: readonly number[];
  #next = 0;

  constructor(choices: readonly number[], cast: Cast) {
    this.#choices = choices;
    this.cast = cast;
  }

  /** A whole number from 0 to `count - 1`. When the choices are used up it is always 0. */
  below(count: number): number {
    const choice = this.#choices[this.#next] ?? 0;
    this.#next += 1;
    return Math.floor((choice * count) / CHOICE_LIMIT);
  }

  /** The simplest value stands first. */
  pick<T>(values: Pool<T>): T {
    return values[this.below(values.length)] ?? values[0];
  }

  /** Between `least` and `most` neighbours of a pool, which is taken for a ring. */
  neighbours<T>(pool: Pool<T>, least: number, most: number): Pool<T> {
    const start = this.below(pool.length);
    const count = least + this.below(most - least + 1);
    const [first, ...others] = [...pool.slice(start), ...pool.slice(0, start)].slice(0, count);
    return [first ?? pool[0], ...others];
  }

  /** True in `percent` of 100 draws; shrinks to false. */
  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }

  /** The fields of an object that chance chooses, each with its probability in percent. */
  some<T extends object>(
    fields: { readonly [K in keyof T]-?: readonly [percent: number, draw: () => T[K]] },
  ): Partial<T> {
    const drawn: Partial<T> = {};
    for (const name of Object.keys(fields) as (keyof T)[]) {
      const [percent, draw] = fields[name];
      if (this.chance(percent)) drawn[name] = draw();
    }
    return drawn;
  }

  /** Between `least` and `most` values. */
  list<T>(least: number, most: number, draw: () => T): T[] {
    return Array.from({ length: least + this.below(most - least + 1) }, draw);
  }

  weighted<T>(ways: Weighted<T>): T {
    const total = ways.reduce((sum, [weight]) => sum + weight, 0);
    let rest = this.below(total);
    for (const [weight, draw] of ways) {
      if (rest < weight) return draw();
      rest -= weight;
    }
    throw new RangeError("no way to choose from");
  }
}
