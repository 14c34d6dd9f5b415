/** The blocks of a thread's states (K4). Each is kept once, counts what needs it, and goes with the last of those (K6). */

import { EncodedText } from "../../domain/codec/encoded-text.js";
import { rootOf } from "../../domain/segments/manifest.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import { type CollectedState, collectInSteps, restoreState } from "../../domain/segments/restore.js";
import { type SplitState, splitInSteps } from "../../domain/segments/split.js";
import { runAtOnce } from "../../domain/slices.js";

interface KeptBlock {
  readonly data: Uint8Array;
  readonly children: readonly string[];
  /** Checkpoints and nodes that name it. */
  uses: number;
}

export class Blocks {
  readonly #kept = new Map<string, KeptBlock>();
  readonly #recent: RecentOutlines<object>;

  /** `recent` may be that of many threads. */
  constructor(recent: RecentOutlines<object> = new RecentOutlines()) {
    this.#recent = recent;
  }

  get size(): number {
    return this.#kept.size;
  }

  has(name: string): boolean {
    return this.#kept.has(name);
  }

  /** Keeps a state for a checkpoint of a namespace; returns the manifest to read and to release it by. */
  add(text: string | EncodedText, namespace = ""): string {
    return runAtOnce(this.adding(runAtOnce(this.split(text, namespace)), namespace));
  }

  /** Splits a state of a namespace, in steps. */
  split(text: string | EncodedText, namespace: string): Generator<void, SplitState, void> {
    return splitInSteps(typeof text === "string" ? EncodedText.of(text) : text, this.#recent.get(this, namespace));
  }

  /** As `add`, of a state that is split, in steps. Until the last one nothing else may happen to the blocks. */
  *adding({ manifest, root, outline, newBlocks }: SplitState, namespace: string): Generator<void, string, void> {
    this.#recent.keep(this, namespace, outline);
    const added: KeptBlock[] = [];
    for (const { name, data, children } of newBlocks((stored) => this.#kept.has(stored))) {
      const block = { data: ownBytes(data), children, uses: 0 };
      this.#kept.set(name, block);
      added.push(block);
      yield;
    }
    for (const { children } of added) for (const child of children) this.#use(child);
    if (root !== null) this.#use(root);
    return manifest;
  }

  /** The state of a manifest. @throws CorruptionError (K5) */
  read(manifest: string): string {
    return restoreState(manifest, (names) => this.#data(names));
  }

  /** What `read` needs, at this moment; `joinInSteps` makes the state of it. @throws CorruptionError (K5) */
  collect(manifest: string): CollectedState {
    return runAtOnce(collectInSteps(manifest, (names) => this.#data(names)));
  }

  /** Lets go of the state of a checkpoint. */
  release(manifest: string): void {
    for (const _step of this.releasing(manifest));
  }

  /** As `release`, in steps. */
  *releasing(manifest: string): Generator<void, void, void> {
    const root = rootOf(manifest);
    const waiting = root === null ? [] : [root.name];
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      yield;
      const block = this.#kept.get(name);
      if (block === undefined) continue;
      block.uses -= 1;
      if (block.uses > 0) continue;
      this.#kept.delete(name);
      waiting.push(...block.children);
    }
  }

  /** No other state of the thread will come. */
  end(): void {
    this.#recent.forget(this);
  }

  /** The same blocks for another thread, counted for itself (K7), in steps. */
  *copyTo(other: Blocks): Generator<void, void, void> {
    for (const [name, block] of this.#kept) {
      other.#kept.set(name, { ...block });
      yield;
    }
  }

  #data(names: readonly string[]): (Uint8Array | undefined)[] {
    return names.map((name) => this.#kept.get(name)?.data);
  }

  #use(name: string): void {
    const block = this.#kept.get(name);
    if (block !== undefined) block.uses += 1;
  }
}

/** What comes may be a piece of a pool, which a single kept block would hold whole, 64 KiB. */
function ownBytes(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : new Uint8Array(data);
}
