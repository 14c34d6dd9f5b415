// A process that measures one saver, told from outside how far to go.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { SaverName, SaverPlace } from "./savers.ts";

/** What the process is started for. */
export interface SaverTask extends SaverPlace {
  readonly name: SaverName;
  /** Times are what the process computes. */
  readonly isCpu: boolean;
}

/** What the process is asked: to take turns until this one, or to end. */
export type Ask = { readonly until: number } | "end";

/** What was seen of some turns, and right after them. */
export interface Answer {
  /** Milliseconds, turn by turn. */
  readonly turnMs: readonly number[];
  /** Median of several. */
  readonly getStateMs: number;
  readonly bytes: number;
}

export class SaverProcess {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Ready to be measured: warm, on an empty store. */
  static async start(name: SaverName, place: SaverPlace, isCpu: boolean): Promise<SaverProcess> {
    const task: SaverTask = { ...place, name, isCpu };
    const script = join(import.meta.dirname, "measured-saver.ts");
    const started = new SaverProcess(fork(script, [JSON.stringify(task)], { execArgv: ["--expose-gc"] }));
    await started.#answer();
    return started;
  }

  async takeTurns(until: number): Promise<Answer> {
    this.#ask({ until });
    return (await this.#answer()) as Answer;
  }

  async close(): Promise<void> {
    this.#ask("end");
    await once(this.#process, "exit");
  }

  /** Of use where the run failed; a process that has ended is left so. */
  kill(): void {
    this.#process.kill();
  }

  #ask(ask: Ask): void {
    this.#process.send(ask);
  }

  async #answer(): Promise<unknown> {
    const exited = new AbortController();
    const exit = (): void => exited.abort(new Error("the process of a saver has ended: see above"));
    this.#process.once("exit", exit);
    try {
      const [answer] = await once(this.#process, "message", { signal: exited.signal });
      return answer;
    } finally {
      this.#process.off("exit", exit);
    }
  }
}
