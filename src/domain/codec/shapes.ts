/** The first keys of the objects on a tape: one list for all objects that have the same ones in the same order. */
import { TAG_KEY } from "./format.js";

/** Keys of a shape. */
const MOST_KEYS = 64;

/** Shapes of a tape: of an index by id each object has keys of its own. */
const MOST_SHAPES = 4_096;

export class Shapes {
  readonly #all: Shape[] = [];
  /** No keys. */
  readonly none: Shape = this.#add(null, "") as Shape;

  at(number: number): Shape {
    return this.#all[number] as Shape;
  }

  get all(): readonly Shape[] {
    return this.#all;
  }

  /** The shape with one key more; `null` where no more are kept. */
  followed(before: Shape, key: string): Shape | null {
    const next = before.next(key) ?? this.#add(before, key);
    if (next !== null) before.expect(key, next);
    return next;
  }

  #add(before: Shape | null, key: string): Shape | null {
    const number = this.#all.length;
    if (number === MOST_SHAPES || before?.length === MOST_KEYS) return null;
    const shape = new Shape(number, before, key);
    this.#all.push(shape);
    return shape;
  }
}

/** Some keys in their order. */
export class Shape {
  readonly number: number;
  /** How many keys it has. */
  readonly length: number;
  /** Characters of them all. */
  readonly characters: number;
  /** One of them is the key of our tags. */
  readonly hasTag: boolean;
  /** The key that came next in the last object, and the shape with it: most objects are like the one before. */
  likelyKey: string | undefined = undefined;
  likely: Shape | null = null;
  /** The last of its keys. */
  readonly key: string;
  readonly #before: Shape | null;
  #next: Map<string, Shape> | undefined;
  #keys: readonly string[] | undefined;
  #texts: readonly string[] | undefined;

  constructor(number: number, before: Shape | null, key: string) {
    this.number = number;
    this.length = before === null ? 0 : before.length + 1;
    this.characters = before === null ? 0 : before.characters + key.length;
    this.hasTag = before !== null && (before.hasTag || key === TAG_KEY);
    this.#before = before;
    this.key = key;
  }

  next(key: string): Shape | undefined {
    return this.#next?.get(key);
  }

  expect(key: string, next: Shape): void {
    this.likelyKey = key;
    this.likely = next;
    this.#next ??= new Map();
    this.#next.set(key, next);
  }

  /** Whether its first keys are those of another one. */
  beginsWith(shape: Shape): boolean {
    let each: Shape = this;
    while (each.length > shape.length && each.#before !== null) each = each.#before;
    return each === shape;
  }

  get keys(): readonly string[] {
    this.#keys ??= this.#before === null ? [] : [...this.#before.keys, this.key];
    return this.#keys;
  }

  /** What stands before the value of a key: a comma unless it is the first, the key and a colon. */
  textBefore(i: number): string {
    this.#texts ??= this.keys.map((key, each) => `${each === 0 ? "" : ","}${JSON.stringify(key)}:`);
    return this.#texts[i] as string;
  }
}
