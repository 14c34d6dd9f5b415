/**
 * Turns of the event loop. All calls together take some milliseconds of one, then the rest of the process runs: a thousand calls that are
 * begun at once, or that only microtasks separate, hold it no longer than one does. Who waits goes on in the order of the waiting, and each
 * turn lets at least one of them go on.
 */
import { setImmediate } from "node:timers";

/** How long the work of one turn may take together, in milliseconds. */
const TURN_MS = 10;

/** The most who are asked in one turn whether they may go on. */
const MOST_ASKED = 100;

/** When work was first done in this turn; `undefined` before that. */
let began: number | undefined;

/** Whether something that cannot be cut has taken its time in this turn. */
let isMarked = false;

/** Whether somebody who waited went on in this turn. */
let hasLetIn = false;

const waiting: (() => void)[] = [];

/** How many of those who wait the next turn will ask. */
let asked = 0;

/** Work begins, if none has in this turn. The end is the first thing of the next one: whoever waits is asked after it. */
function begin(): number {
  if (began === undefined) {
    began = performance.now();
    setImmediate(end);
  }
  return began;
}

function end(): void {
  began = undefined;
  isMarked = false;
  hasLetIn = false;
}

/** Says that what has just run could not be cut and may have taken long: whoever looks next in this turn lets others run first. */
export function spendTurn(): void {
  begin();
  isMarked = true;
}

/** Whether `spendTurn` was called in this turn: a look that costs nothing. */
export function turnIsMarked(): boolean {
  return isMarked;
}

/** Whether what comes next is to let others run first. The first look begins the work of a turn. */
export function turnIsSpent(turnMs: number = TURN_MS): boolean {
  return performance.now() - begin() >= turnMs || isMarked;
}

/** Resolves in a later turn, when it has time left. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    begin();
    waiting.push(resolve);
    if (asked === MOST_ASKED) return;
    asked += 1;
    setImmediate(letIn);
  });
}

/** One goes on, with all that microtasks bring after it; when the turn is spent and one has, all are asked again in the next turn. */
function letIn(): void {
  if (!turnIsSpent() || !hasLetIn) {
    hasLetIn = true;
    waiting.shift()?.();
    if (waiting.length < asked) {
      asked -= 1;
      return;
    }
  }
  setImmediate(letIn);
}
