/** Units that cannot be brought over: both stores stay as they are, and somebody has to look. */
import type { StorageError } from "../../contract/errors.js";
import type { FailoverEvent } from "./events.js";
import type { Mark } from "./marks.js";

export class Divergence {
  readonly #units = new Set<Mark>();
  readonly #tell: (event: FailoverEvent) => void;

  constructor(tell: (event: FailoverEvent) => void) {
    this.#tell = tell;
  }

  get size(): number {
    return this.#units.size;
  }

  has(mark: Mark): boolean {
    return this.#units.has(mark);
  }

  /** Is not tried again before the next look, and told once. @param error of the store that keeps it from being copied, if one does */
  add(mark: Mark, error: StorageError | undefined): void {
    mark.isRefused = true;
    if (this.#units.has(mark)) return;
    this.#units.add(mark);
    this.#tell({ type: "diverged", tenant: mark.tenant, unit: mark.name, ...(error === undefined ? {} : { error }) });
  }

  delete(mark: Mark): void {
    this.#units.delete(mark);
  }
}
