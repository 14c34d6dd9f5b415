/** The blocks of a thread's states (K4). Each is kept once, counts what needs it, and goes with the last of those (K6). */

import type { EncodedText } from "../../domain/codec/encoded-text.js";
import { rootOf } from "../../domain/segments/manifest.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import { restoreState } from "../../domain/segments/restore.js";
import { splitState } from "../../domain/segments/split.js";

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

  /** Keeps a state for a checkpoint of a namespace; returns the manifest to read and to release it by. */
  add(text: string | EncodedText, namespace = ""): string {
    const { manifest, root, outline, newBlocks } = splitState(text, this.#recent.get(this, namespace));
    this.#recent.keep(this, namespace, outline);
    const added: KeptBlock[] = [];
    for (const { name, data, children } of newBlocks((stored) => this.#kept.has(stored))) {
      // A copy: what comes is a piece of a pool, which a single kept block would hold whole, 64 KiB.
      const block = { data: new Uint8Array(data), children, uses: 0 };
      this.#kept.set(name, block);
      added.push(block);
    }
    for (const { children } of added) for (const child of children) this.#use(child);
    if (root !== null) this.#use(root);
    return manifest;
  }

  /** The state of a manifest. @throws CorruptionError (K5) */
  read(manifest: string): string {
    return restoreState(manifest, (names) => names.map((name) => this.#kept.get(name)?.data));
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

  #use(name: string): void {
    const block = this.#kept.get(name);
    if (block !== undefined) block.uses += 1;
  }
}
