/** Vectors side by side in memory: comparing them all reads it from end to end, which is several times as fast as going to each. */

/** Most vectors of a block, unless one item has more. */
const MAX_ROWS = 256;

/** Some vectors as they were at one instant; those of one owner stand together. */
export interface VectorPart<Owner> {
  readonly dimensions: number;
  /** Row after row. */
  readonly values: Float32Array;
  /** The Euclidean length of each row. */
  readonly lengths: Float64Array;
  /** Whose each row is. */
  readonly owners: readonly Owner[];
  /** Those that are filled. */
  readonly rows: number;
}

/** Where vectors stand: from a row of a part on. */
export interface VectorPlace {
  readonly part: Pick<VectorPart<unknown>, "values" | "lengths">;
  readonly row: number;
}

interface Block<Owner> extends VectorPart<Owner> {
  readonly owners: Owner[];
  rows: number;
  /** Rows whose owners have left them. */
  left: number;
}

/** Vectors are added and never changed, so that a view of them stays true. */
export class VectorBlocks<Owner> {
  readonly #blocks: Block<Owner>[] = [];
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  add(
    owner: Owner,
    { dimensions, values, lengths }: Pick<VectorPart<Owner>, "dimensions" | "values" | "lengths">,
  ): VectorPlace {
    const block = this.#blockFor(dimensions, lengths.length);
    const row = block.rows;
    block.values.set(values, block.rows * dimensions);
    block.lengths.set(lengths, block.rows);
    for (let i = 0; i < lengths.length; i++) block.owners.push(owner);
    block.rows += lengths.length;
    this.#rows += lengths.length;
    return { part: block, row };
  }

  /**
   * Counts rows as left by their owner. A block that half of its rows have left is given up.
   * @returns those that still own rows of it, which are to be added anew
   */
  leave({ part }: VectorPlace, rows: number, isKept: (owner: Owner) => boolean): Owner[] {
    const index = (this.#blocks as readonly unknown[]).indexOf(part);
    const block = this.#blocks[index];
    if (block === undefined) return [];
    block.left += rows;
    if (block.left * 2 < block.lengths.length) return [];
    this.#blocks.splice(index, 1);
    this.#rows -= block.rows;
    return block.owners.filter((owner, row) => owner !== block.owners[row - 1] && isKept(owner));
  }

  /** What is here now. */
  parts(): VectorPart<Owner>[] {
    return this.#blocks.map((block) => ({ ...block }));
  }

  /** Others with what is left of these. */
  only(isKept: (owner: Owner) => boolean): VectorBlocks<Owner> {
    const kept = new VectorBlocks<Owner>();
    for (const { dimensions, values, lengths, owners, rows } of this.#blocks) {
      for (let row = 0; row < rows; ) {
        const owner = owners[row] as Owner;
        const end = endOfOwner(owners, rows, row);
        if (isKept(owner)) {
          const own = values.subarray(row * dimensions, end * dimensions);
          kept.add(owner, { dimensions, values: own, lengths: lengths.subarray(row, end) });
        }
        row = end;
      }
    }
    return kept;
  }

  /** Blocks grow with what is there: few vectors take little. */
  #blockFor(dimensions: number, count: number): Block<Owner> {
    const last = this.#blocks.at(-1);
    if (last?.dimensions === dimensions && last.rows + count <= last.lengths.length) return last;
    const capacity = Math.max(count, 1, Math.min(MAX_ROWS, this.#rows));
    const block: Block<Owner> = {
      dimensions,
      values: new Float32Array(capacity * dimensions),
      lengths: new Float64Array(capacity),
      owners: [],
      rows: 0,
      left: 0,
    };
    this.#blocks.push(block);
    return block;
  }
}

/** The row after the last one of the owner of a row. */
function endOfOwner(owners: readonly unknown[], rows: number, row: number): number {
  let end = row + 1;
  while (end < rows && owners[end] === owners[row]) end += 1;
  return end;
}
