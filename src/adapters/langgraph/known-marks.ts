/**
 * Marks that objects of others carry unseen. A private field is no property: neither keys nor copies nor comparisons meet it, and reading
 * one costs a fraction of a look into a `WeakMap`, which is felt where thousands of messages are looked at for each step.
 */

/** A constructor that gives back the object it is called with, so that a class below it puts its private fields there. */
const Given = function given(object: object): object {
  return object;
} as unknown as new (
  object: object,
) => object;

/** A kind of mark: each has a field of its own. */
export interface Marks<Mark> {
  /** Marks an object, in place of the mark that it had. */
  set(object: object, mark: Mark): void;
  /** Marks an object that has no mark yet, in half of the time: whether it has one is not asked. @throws TypeError if it has */
  setFirst(object: object, mark: Mark): void;
  get(object: object): Mark | undefined;
}

export function marks<Mark>(): Marks<Mark> {
  class Marked extends Given {
    #mark: Mark;

    constructor(object: object, mark: Mark) {
      super(object);
      this.#mark = mark;
    }

    static get(object: object): Mark | undefined {
      return #mark in object ? object.#mark : undefined;
    }

    static set(object: object, mark: Mark): void {
      if (#mark in object) object.#mark = mark;
      else new Marked(object, mark);
    }

    static setFirst(object: object, mark: Mark): void {
      new Marked(object, mark);
    }
  }
  return Marked;
}
