/** How an error names a place inside a value: `$.messages[3].arguments`. */
import { quoteIdentifier } from "../../contract/errors.js";

/** One step into a value: a key, an index, or a step in words such as `.keys()[0]` of a Map. */
export type PathStep = string | number | { readonly words: string };

/** Steps that are written out at each end of a long path. */
const STEPS_SHOWN = 16;

const IDENTIFIER = /^[A-Za-z_$][\w$]{0,79}$/;

/** The path as text, from the root's name. A long path is shortened in its middle, a long key at its end. */
export function renderPath(steps: readonly PathStep[], root = "$"): string {
  if (steps.length <= 2 * STEPS_SHOWN) return root + steps.map(renderStep).join("");
  const first = steps.slice(0, STEPS_SHOWN).map(renderStep).join("");
  const last = steps.slice(-STEPS_SHOWN).map(renderStep).join("");
  return `${root}${first}…(${steps.length - 2 * STEPS_SHOWN} more)…${last}`;
}

function renderStep(step: PathStep): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step === "object") return step.words;
  return IDENTIFIER.test(step) ? `.${step}` : `[${quoteIdentifier(step)}]`;
}
