/** A long write in a thread of its own: the event loop waits for none of it. */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Answer, LongWrite, Request, ThreadData } from "./messages.js";
import type { LongWriteName, LongWrites } from "./works.js";

/** The file that the thread begins with, by a name that no other program has; `undefined` where a bundler has left it out, or does not say where it would be. */
const THREAD: URL | undefined = fileBeside("./waystone-sqlite-write.js");

function fileBeside(name: string): URL | undefined {
  const { url } = import.meta as { readonly url?: string };
  if (url === undefined || !url.startsWith("file:")) return undefined;
  const file = new URL(name, url);
  return existsSync(file) ? file : undefined;
}

/** Whether another thread can be tried. */
export const MAY_WRITE_ELSEWHERE: boolean = THREAD !== undefined;

export class WriteElsewhere<Name extends LongWriteName> {
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  readonly #unwanted = new Int32Array(new SharedArrayBuffer(4));
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (reason: unknown) => void } | undefined;

  private constructor(worker: (unwanted: Int32Array) => Worker) {
    this.#worker = worker(this.#unwanted);
    this.#exited = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.on("message", (answer: Answer) => this.#waiting?.resolve(answer));
    this.#worker.on("error", (error) => this.#waiting?.reject(error));
    this.#worker.on("exit", () => this.#waiting?.reject(new Error("the thread of a long write has ended")));
  }

  /** `undefined` where there can be no thread. */
  static start<Name extends LongWriteName>(write: LongWrite<Name>): WriteElsewhere<Name> | undefined {
    const file = THREAD;
    if (file === undefined) return undefined;
    try {
      return new WriteElsewhere<Name>((unwanted) => {
        const workerData: ThreadData = { write, unwanted };
        return new Worker(file, { execArgv: [], name: "waystone sqlite write", workerData });
      });
    } catch {
      // A process may be forbidden to start threads; it writes in this one.
      return undefined;
    }
  }

  /** Resolves when all is written but COMMIT. @throws what the write throws; it has no effect then */
  async written(): Promise<LongWrites[Name]["gives"]> {
    const answer = await this.#answer();
    if (answer.kind !== "written") throw new Error(`a long write has answered ${answer.kind}`);
    return answer.value as LongWrites[Name]["gives"];
  }

  /** @throws SQLite's error; one that says that others read has had no effect, and this may be called again */
  async commit(): Promise<void> {
    const answer = this.#answer();
    this.#ask("commit");
    await answer;
  }

  /** What goes on ends soon, without effect. */
  giveUp(): void {
    Atomics.store(this.#unwanted, 0, 1);
  }

  /** Ends the thread; what is not committed has no effect. */
  async end(): Promise<void> {
    this.giveUp();
    this.#ask("end");
    await this.#exited;
  }

  #ask(request: Request): void {
    this.#worker.postMessage(request);
  }

  async #answer(): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    if (answer.kind === "failed") throw Object.assign(answer.error as Error, answer.fields);
    return answer;
  }
}
