/** Outlines of the states that were stored last, within a bound: what a backend remembers so that the next state costs what is new. */
import type { Outline } from "./outline.js";

/** Bytes of text remembered by one backend, unless it says otherwise. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Namespaces of one thread that are remembered: subgraphs of an agent take turns. */
const MAX_NAMESPACES = 4;

/** What a part takes beside its text, about: its place, its piece's name, its share of the nodes. */
const BYTES_OF_PART = 150;

interface Remembered {
  readonly namespace: string;
  readonly outline: Outline;
  readonly bytes: number;
}

/** By thread, whatever stands for one, and namespace. The threads that were stored to longest ago go first. */
export class RecentOutlines<Thread> {
  readonly #maxBytes: number;
  /** The one used last stands last. */
  readonly #threads = new Map<Thread, readonly Remembered[]>();
  #bytes = 0;

  constructor(maxBytes: number = DEFAULT_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** About what is held. */
  get bytes(): number {
    return this.#bytes;
  }

  get(thread: Thread, namespace: string): Outline | null {
    return this.#threads.get(thread)?.find((each) => each.namespace === namespace)?.outline ?? null;
  }

  /** Remembers an outline in place of the one before it. A text of one part has nothing that the next one could take over. */
  keep(thread: Thread, namespace: string, outline: Outline | null): void {
    const others = this.#threads.get(thread)?.filter((each) => each.namespace !== namespace) ?? [];
    const bytes = outline === null ? 0 : bytesOf(outline);
    const added =
      outline === null || outline.partCount < 2 || bytes > this.#maxBytes ? [] : [{ namespace, outline, bytes }];
    this.forget(thread);
    const kept = [...others, ...added].slice(-MAX_NAMESPACES);
    if (kept.length === 0) return;
    this.#threads.set(thread, kept);
    this.#bytes += sum(kept);
    for (const oldest of this.#threads.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.forget(oldest);
    }
  }

  clear(): void {
    this.#threads.clear();
    this.#bytes = 0;
  }

  forget(thread: Thread): void {
    this.#bytes -= sum(this.#threads.get(thread) ?? []);
    this.#threads.delete(thread);
  }
}

function bytesOf({ bytes, partCount }: Outline): number {
  return bytes + partCount * BYTES_OF_PART;
}

function sum(remembered: readonly Remembered[]): number {
  return remembered.reduce((total, { bytes }) => total + bytes, 0);
}
