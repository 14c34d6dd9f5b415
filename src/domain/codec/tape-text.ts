/** The text of the value on a tape, made in steps: exactly what `JSON.stringify` gives of its tree, in pieces of a limited length. */
import type { EncodedText } from "./encoded-text.js";
import { TAG_KEY } from "./format.js";
import type { Shape, Shapes } from "./shapes.js";
import { keysOf, kindOfWord, restOfWord, shapeOf, type Tape, WORD } from "./tape.js";
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
        text += words.at(at);
        at += 1;
        break;
      case WORD.numbers: {
        const count = restOfWord(word);
        for (const end = at + count; at < end; ) {
          text += words.at(at);
          at += 1;
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
      default:
        outer.push(open);
        open = opened(word, shapes, inDocument);
        text += open.start;
    }
  }
}

function textBefore({ shape, isMap, done }: Open): string {
  if (shape !== null) return shape.textBefore(done);
  if (isMap) return done === 0 ? "[" : done % 2 === 0 ? "],[" : ",";
  return done === 0 ? "" : ",";
}

function opened(word: number, shapes: Shapes, inDocument: boolean): Open {
  const rest = restOfWord(word);
  switch (kindOfWord(word)) {
    case WORD.array:
      return { left: rest, done: 0, shape: null, isMap: false, start: "[", end: "]" };
    case WORD.set:
      return { left: rest, done: 0, shape: null, isMap: false, start: startOf("Set", "["), end: "]}" };
    case WORD.map:
      return {
        left: 2 * rest,
        done: 0,
        shape: null,
        isMap: true,
        start: startOf("Map", "["),
        end: rest === 0 ? "]}" : "]]}",
      };
    case WORD.withoutPrototype:
      return openedObject(rest, shapes, "null-prototype");
    case WORD.likeNode:
      return openedObject(rest, shapes, inDocument ? "object" : null);
    default:
      return openedObject(rest, shapes, null);
  }
}

function openedObject(rest: number, shapes: Shapes, tag: string | null): Open {
  const [left, shape] = [keysOf(rest), shapes.at(shapeOf(rest))];
  if (tag === null) return { left, done: 0, shape, isMap: false, start: "{", end: "}" };
  return { left, done: 0, shape, isMap: false, start: startOf(tag, "{"), end: "}}" };
}

function startOf(tag: string, start: string): string {
  return `{"${TAG_KEY}":"${tag}","value":${start}`;
}
