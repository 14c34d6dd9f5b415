/** Asks the two stores how they are: one question at a time each, whoever wants to know. */
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { Both, Side } from "./side.js";

/** A store may take this much longer to say how it is than it was told to. */
const SLACK_MS = 100;

export class Probes {
  readonly #stores: Both<StorageBackend>;
  readonly #timeoutMs: number;
  readonly #running = new Map<Side, Promise<boolean>>();

  constructor(stores: Both<StorageBackend>, timeoutMs: number) {
    this.#stores = stores;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether a store can be worked with. */
  ask(side: Side): Promise<boolean> {
    const running = this.#running.get(side);
    if (running !== undefined) return running;
    const probe = this.#ask(side).finally(() => this.#running.delete(side));
    this.#running.set(side, probe);
    return probe;
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  async #ask(side: Side): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#timeoutMs + SLACK_MS);
    });
    const report = await Promise.race([this.#stores[side].healthCheck({ timeoutMs: this.#timeoutMs }), late]);
    clearTimeout(timer);
    return report !== undefined && report.status !== "unhealthy";
  }
}
