/** The text of the value on a tape, made in steps: exactly what `JSON.stringify` gives of its tree, in pieces of a limited length. */
import type { EncodedText } from "./encoded-text.js";
import { TAG_KEY } from "./format.js";
import type { Shape, Shapes } from "./shapes.js";
import { kindOfWord, restOfWord, type Tape, WORD, WORDS_OF_NUMBER } from "./tape.js";
import { writeString, writeTree } from "./text-in-steps.js";
import { type Surroundings, TEXT_STEP, TextSink } from "./text-sink.js";

/** An array or object whose parts are being written. */
interface Open {
  /** Parts that are still to come, and parts that have come. */
  left: number;
  done: number;
  /** Of an object: its first keys. */
  readonly shape: Shape | null;
  readonly isMap: boolean;
  readonly start: string;
  readonly end: string;
}

/** What a part is worth in characters: it takes time also where it makes little text. */
const PART_WORTH = 8;

/** A string of fewer characters is looked at by a pattern, which is quicker than `JSON.stringify` of it. */
const SHORT = 256;

/** What a JSON text escapes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

const UNDEFINED = JSON.stringify({ [TAG_KEY]: "undefined" });

/** The text; yields between the steps. */
export function* textOfTape(
  tape: Tape,
  { before, behind, inDocument }: Surroundings,
  step: number = TEXT_STEP,
): Generator<void, EncodedText, void> {
  const sink = new TextSink(inDocument, step);
  sink.add(before);
  yield* writeParts(tape, inDocument, sink);
  sink.add(behind);
  return sink.encoded();
}

function* writeParts(tape: Tape, inDocument: boolean, sink: TextSink): Generator<void, void, void> {
  const { words, references, shapes } = tape;
  const { step } = sink;
  const outer: Open[] = [];
  let open: Open = { left: 1, done: 0, shape: null, isMap: false, start: "", end: "" };
  let at = 0;
  let reference = 0;
  let text = "";
  let work = 0;
  for (;;) {
    while (open.left === 0) {
      text += open.end;
      const next = outer.pop();
      if (next === undefined) return sink.add(text);
      open = next;
    }
    work += PART_WORTH;
    if (text.length + work >= step) {
      sink.add(text);
      text = "";
      work = 0;
      yield;
    }
    if (open.shape !== null && open.done >= open.shape.length) {
      text += `${open.done === 0 ? "" : ","}${JSON.stringify(references.at(reference))}:`;
      reference += 1;
    } else text += textBefore(open);
    open.left -= 1;
    open.done += 1;
    const word = words.at(at);
    at += 1;
    switch (kindOfWord(word)) {
      case WORD.string: {
        const string = references.at(reference) as string;
        reference += 1;
        if (string.length < SHORT && !ESCAPED.test(string)) text += `"${string}"`;
        else if (string.length <= step) text += JSON.stringify(string);
        else {
          sink.add(text);
          text = "";
          yield* writeString(string, sink);
        }
        break;
      }
      case WORD.integer:
        text += restOfWord(word);
        break;
      case WORD.number:
        text += words.numberAt(at);
        at += WORDS_OF_NUMBER;
        break;
      case WORD.numbers: {
        const count = restOfWord(word);
        for (const end = at + count * WORDS_OF_NUMBER; at < end; ) {
          text += words.numberAt(at);
          at += WORDS_OF_NUMBER;
          if (at < end) text += ",";
          if (text.length < step) continue;
          sink.add(text);
          text = "";
          yield;
        }
        open.left -= count - 1;
        open.done += count - 1;
        break;
      }
      case WORD.null:
        text += "null";
        break;
      case WORD.true:
        text += "true";
        break;
      case WORD.false:
        text += "false";
        break;
      case WORD.undefined:
        text += UNDEFINED;
        break;
      case WORD.node:
        sink.add(text);
        text = "";
        yield* writeTree(references.at(reference), sink);
        reference += 1;
        break;
      case WORD.array:
      case WORD.map:
      case WORD.set:
        outer.push(open);
        open = openedList(word);
        text += open.start;
        break;
      default:
        outer.push(open);
        open = openedObject(word, words.at(at), shapes, inDocument);
        at += 1;
        text += open.start;
    }
  }
}

function textBefore({ shape, isMap, done }: Open): string {
  if (shape !== null) return shape.textBefore(done);
  if (isMap) return done === 0 ? "[" : done % 2 === 0 ? "],[" : ",";
  return done === 0 ? "" : ",";
}

function openedList(word: number): Open {
  const left = restOfWord(word);
  switch (kindOfWord(word)) {
    case WORD.map:
      return {
        left: 2 * left,
        done: 0,
        shape: null,
        isMap: true,
        start: startOf("Map", "["),
        end: left === 0 ? "]}" : "]]}",
      };
    case WORD.set:
      return { left, done: 0, shape: null, isMap: false, start: startOf("Set", "["), end: "]}" };
    default:
      return { left, done: 0, shape: null, isMap: false, start: "[", end: "]" };
  }
}

function openedObject(word: number, left: number, shapes: Shapes, inDocument: boolean): Open {
  const shape = shapes.at(restOfWord(word));
  const kind = kindOfWord(word);
  const tag =
    kind === WORD.withoutPrototype ? "null-prototype" : kind === WORD.likeNode && inDocument ? "object" : null;
  if (tag === null) return { left, done: 0, shape, isMap: false, start: "{", end: "}" };
  return { left, done: 0, shape, isMap: false, start: startOf(tag, "{"), end: "}}" };
}

function startOf(tag: string, start: string): string {
  return `{"${TAG_KEY}":"${tag}","value":${start}`;
}
