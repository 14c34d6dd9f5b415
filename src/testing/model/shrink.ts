/**
 * Makes a failing program short. `fast-check` shrinks lists of numbers well and slowly; that a program is a list of commands, of
 * which most have nothing to do with the failure, and that a choice of 0 is the simplest, is known only here.
 */

/** A program as it was drawn: the first list of choices is its cast, each other one a command. */
export type Choices = readonly (readonly number[])[];

/** Runs a program; resolves to the number of its lists up to the failure, or to `undefined` if it does not fail. */
export type FailsAt = (choices: Choices) => Promise<number | undefined>;

/** Programs tried, and milliseconds spent, before the shortest so far has to do. */
const MOST_ATTEMPTS = 3_000;
const MOST_MS = 60_000;

/** The shortest and simplest program found that still fails. */
export async function shrink(failing: Choices, failsAt: FailsAt): Promise<Choices> {
  let shortest = failing;
  let attempts = 0;
  const end = performance.now() + MOST_MS;
  const accept = async (candidate: Choices): Promise<boolean> => {
    if (attempts >= MOST_ATTEMPTS || performance.now() >= end) return false;
    attempts += 1;
    const length = await failsAt(candidate);
    if (length === undefined) return false;
    shortest = candidate.slice(0, length);
    return true;
  };
  await accept(failing);
  await removeCommands(() => shortest, accept);
  await simplifyChoices(() => shortest, accept);
  await removeCommands(() => shortest, accept);
  return shortest;
}

type Accept = (candidate: Choices) => Promise<boolean>;

/** Leaves out stretches of commands, long ones first. The cast stays. */
async function removeCommands(current: () => Choices, accept: Accept): Promise<void> {
  for (let length = current().length >> 1; length >= 1; length >>= 1) {
    for (let end = current().length; end > 1; ) {
      const start = Math.max(1, end - length);
      await accept(current().toSpliced(start, end - start));
      end = Math.min(start, current().length);
    }
  }
}

/** Lets choices be 0, or at least smaller: first all of a list from some place on, then each. */
async function simplifyChoices(current: () => Choices, accept: Accept): Promise<void> {
  for (let i = 0; i < current().length; i++) {
    const list = (): readonly number[] => current()[i] ?? [];
    for (let length = 0; length < list().length; length = length * 2 + 1) {
      if (await accept(current().with(i, list().slice(0, length)))) break;
    }
    for (let j = 0; j < list().length; j++) {
      for (let least = 0; least < (list()[j] ?? 0); ) {
        const smaller = least === 0 ? 0 : (least + (list()[j] ?? 0)) >> 1;
        if (!(await accept(current().with(i, list().with(j, smaller))))) least = smaller + 1;
      }
    }
  }
}
