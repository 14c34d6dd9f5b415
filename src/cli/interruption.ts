/** Ctrl-C and SIGTERM: once stops cleanly, twice stops at once. */
import { EXIT } from "./exit-codes.js";

export interface Interruption {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  /** The exit code that says which signal it was; `undefined` while there was none. */
  readonly exitCode: () => number | undefined;
  /** Gives the signals back to Node.js. */
  readonly stop: () => void;
}

const CODES = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

export function watchInterruption(): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = name === "SIGTERM" ? CODES.SIGTERM : CODES.SIGINT;
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    controller.abort(name);
  };
  for (const name of Object.keys(CODES)) process.on(name, onSignal);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    stop: () => {
      for (const name of Object.keys(CODES)) process.off(name, onSignal);
    },
  };
}
