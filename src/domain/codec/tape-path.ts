/** Where something stands in the value on a tape: found by reading what stands before it, since nobody asks until it is refused. */
import type { PathStep } from "./path.js";
import type { Shape } from "./shapes.js";
import { kindOfWord, restOfWord, type Tape, WORD, WORDS_OF_NUMBER } from "./tape.js";
import { keyStep, memberStep, valueStep } from "./write.js";

/** An array or object, or a string or key, by its number on the tape; a shape stands for its last key. */
export type Wanted = { readonly original: number } | { readonly reference: number } | { readonly shape: Shape };

/** An array or object on the way to the place. */
interface Open {
  readonly kind: number;
  left: number;
  done: number;
  /** Of an object: its first keys. */
  readonly shape: Shape | null;
  /** Of an object the key whose value comes next, of a Map too. */
  key: unknown;
}

export function pathOnTape({ words, references, shapes }: Tape, wanted: Wanted): PathStep[] {
  const way: Open[] = [];
  let original = 0;
  let reference = 0;
  const isWantedReference = (): boolean => "reference" in wanted && wanted.reference === reference;
  for (let at = 0; at < words.length; ) {
    while (way.at(-1)?.left === 0) way.pop();
    const holder = way.at(-1);
    const word = words.at(at);
    const [kind, rest] = [kindOfWord(word), restOfWord(word)];
    at += 1;
    if (kind === WORD.number || kind === WORD.numbers) at += WORDS_OF_NUMBER * (kind === WORD.number ? 1 : rest);
    if (holder !== undefined) {
      const { shape } = holder;
      if (shape !== null && holder.done < shape.length) holder.key = shape.keys[holder.done];
      else if (shape !== null) holder.key = references.at(reference);
      const parts = kind === WORD.numbers ? rest : 1;
      holder.left -= parts;
      holder.done += parts;
      if (shape !== null && holder.done > shape.length) {
        if (isWantedReference()) return way.map(stepInto);
        reference += 1;
      }
    }
    if (kind === WORD.string || kind === WORD.node) {
      if (isWantedReference()) return way.map(stepInto);
      if (holder?.kind === WORD.map) holder.key = kind === WORD.string ? references.at(reference) : undefined;
      reference += 1;
    } else if (holder?.kind === WORD.map) holder.key = undefined;
    if (kind < WORD.array) continue;
    const isKeyed = kind === WORD.object || kind === WORD.withoutPrototype || kind === WORD.likeNode;
    if (isKeyed || kind === WORD.array) {
      if ("original" in wanted && wanted.original === original) return way.map(stepInto);
      original += 1;
    }
    const shape = isKeyed ? shapes.at(rest) : null;
    if ("shape" in wanted && shape?.beginsWith(wanted.shape)) return [...way.map(stepInto), wanted.shape.key];
    const left = isKeyed ? words.at(at) : kind === WORD.map ? 2 * rest : rest;
    if (isKeyed) at += 1;
    way.push({ kind, left, done: 0, shape, key: undefined });
  }
  return [];
}

function stepInto({ kind, done, shape, key }: Open): PathStep {
  const i = done - 1;
  if (shape !== null) return key as string;
  if (kind === WORD.set) return memberStep(i);
  if (kind !== WORD.map) return i;
  const entry = Math.floor(i / 2);
  return i % 2 === 0 ? keyStep(entry) : valueStep(key, entry);
}
