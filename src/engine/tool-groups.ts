/** Which messages belong together because one holds the result of a tool call in another. */
import type { ToolReference } from "./tool-references.js";

/** Positions in a walk from the newest message to older ones; the call stands further back than its result. */
export interface ToolPair {
  readonly result: number;
  readonly call: number;
}

/**
 * Groups of the messages of a walk, told newest first. A result belongs to the nearest call of its id before it, so models that
 * count their calls anew in each answer (`call_0`) are understood too.
 */
export class ToolGroups {
  readonly #parents: number[] = [];
  /** Positions of results whose call the walk has not met, by the id of the call. */
  readonly #waiting = new Map<string, number[]>();
  readonly #pairs: ToolPair[] = [];

  /** Takes the next older message of the walk, by its references. */
  add(references: readonly ToolReference[]): void {
    const position = this.#parents.push(this.#parents.length) - 1;
    for (const { kind, id } of references.toReversed()) {
      if (kind === "result") {
        this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), position]);
        continue;
      }
      for (const result of this.#waiting.get(id) ?? []) {
        this.#parents[this.#root(result)] = this.#root(position);
        this.#pairs.push({ result, call: position });
      }
      this.#waiting.delete(id);
    }
  }

  /** Every result that the walk has met with its call, in whatever messages. */
  get pairs(): readonly ToolPair[] {
    return this.#pairs;
  }

  /** Positions of the results whose call the walk has not met. */
  get waiting(): readonly number[] {
    return [...this.#waiting.values()].flat();
  }

  /**
   * Positions that stand with all of their group: every call is there, and every member is `wanted`. What is left out is left
   * out with its whole group.
   */
  whole(wanted: (position: number) => boolean): number[] {
    const broken = new Set<number>();
    for (const position of this.waiting) broken.add(this.#root(position));
    const positions = this.#parents.map((_, position) => position);
    for (const position of positions) if (!wanted(position)) broken.add(this.#root(position));
    return positions.filter((position) => !broken.has(this.#root(position)));
  }

  /** The furthest position of the group that this position is in. */
  furthest(position: number): number {
    const root = this.#root(position);
    return this.#parents.reduce((furthest, _, each) => (this.#root(each) === root ? each : furthest), position);
  }

  #root(position: number): number {
    let root = position;
    for (let parent = this.#parents[root]; parent !== undefined && parent !== root; parent = this.#parents[root]) {
      // Halving the path as it is walked keeps later walks short.
      this.#parents[root] = this.#parents[parent] ?? parent;
      root = parent;
    }
    return root;
  }
}
