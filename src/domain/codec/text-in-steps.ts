/** The text of a large tree, made in steps: exactly what `JSON.stringify` gives, in pieces of a limited length. */
import type { EncodedText } from "./encoded-text.js";
import type { Json } from "./format.js";
import { LaterBytes } from "./later-bytes.js";
import { PreparedValue } from "./prepared-value.js";
import { TEXT_STEP, TextSink } from "./text-sink.js";

/** What an element counts beside its characters. */
const NODE = 8;

/** The text of a tree; yields between the steps. */
export function* textInSteps(tree: Json, step: number = TEXT_STEP): Generator<void, EncodedText, void> {
  const sink = new TextSink(false, step);
  yield* writeTree(tree, sink);
  return sink.encoded();
}

/** Writes a tree: at once if it is light. */
export function* writeTree(tree: Json, sink: TextSink): Generator<void, void, void> {
  if (weigh(tree, sink.step) <= sink.step) sink.add(JSON.stringify(tree));
  else yield* writeHeavy(tree, sink);
}

function* writeHeavy(node: Json, sink: TextSink): Generator<void, void, void> {
  // Weighing an object of very many keys has taken its time, and takes it again for each that it is in.
  yield;
  if (typeof node === "string") yield* writeString(node, sink);
  else if (typeof node !== "object" || node === null) sink.add(JSON.stringify(node));
  else if (Array.isArray(node)) yield* writeArray(node, sink);
  else if ((node as unknown) instanceof PreparedValue) sink.addPrepared(node as unknown as PreparedValue);
  else if ((node as unknown) instanceof LaterBytes) yield* writeBytes(node as unknown as LaterBytes, sink);
  else yield* writeObject(node, sink);
  yield;
}

/** Neighbours that are light are one call of `JSON.stringify`: a call for each takes longer. */
function* writeArray(array: readonly Json[], sink: TextSink): Generator<void, void, void> {
  const { step } = sink;
  let light: Json[] = [];
  let left = step;
  let comma = "[";
  for (const item of array) {
    const weight = weigh(item, step);
    if (weight <= left) {
      light.push(item);
      left -= weight;
      continue;
    }
    if (light.length > 0) {
      sink.add(comma + JSON.stringify(light).slice(1, -1));
      comma = ",";
      yield;
    }
    if (weight <= step) {
      light = [item];
      left = step - weight;
    } else {
      light = [];
      left = step;
      sink.add(comma);
      comma = ",";
      yield* writeHeavy(item, sink);
    }
  }
  sink.add(light.length > 0 ? `${comma}${JSON.stringify(light).slice(1, -1)}]` : comma === "[" ? "[]" : "]");
}

function* writeObject(object: { readonly [key: string]: Json }, sink: TextSink): Generator<void, void, void> {
  const { step } = sink;
  let left = step;
  let before = "{";
  for (const key of Object.keys(object)) {
    const item = object[key] as Json;
    const weight = weigh(item, step);
    sink.add(`${before}${JSON.stringify(key)}:`);
    before = ",";
    left -= key.length + weight;
    if (weight > step) yield* writeHeavy(item, sink);
    else sink.add(JSON.stringify(item));
    if (left >= 0) continue;
    yield;
    left = step;
  }
  sink.add(before === "{" ? "{}" : "}");
}

export function* writeString(text: string, sink: TextSink): Generator<void, void, void> {
  sink.add('"');
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + sink.step);
    // Alone, the half of a pair would be escaped.
    if (end < text.length && isPair(text, end - 1)) end += 1;
    sink.add(JSON.stringify(text.slice(at, end)).slice(1, -1));
    at = end;
    yield;
  }
  sink.add('"');
}

function* writeBytes(bytes: LaterBytes, sink: TextSink): Generator<void, void, void> {
  sink.add('"');
  for (const text of bytes.texts()) {
    sink.add(text);
    yield;
  }
  sink.add('"');
}

function isPair(text: string, at: number): boolean {
  const [first, second] = [text.charCodeAt(at), text.charCodeAt(at + 1)];
  return first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000;
}

let left = 0;

/** What a tree weighs, or more than `most` without a look at the rest of it. */
function weigh(node: Json, most: number): number {
  if (typeof node === "string") return node.length + NODE;
  if (typeof node !== "object" || node === null) return NODE;
  left = most;
  takeWeight(node);
  return most - left;
}

function takeWeight(node: object): void {
  left -= NODE;
  if (node instanceof PreparedValue || node instanceof LaterBytes) left = -1;
  if (Array.isArray(node)) {
    for (let i = 0; i < node.length && left >= 0; i++) takeItem(node[i]);
  } else {
    for (const key in node) {
      if (left < 0) return;
      left -= key.length;
      takeItem(node[key as keyof typeof node]);
    }
  }
}

function takeItem(item: unknown): void {
  if (typeof item === "string") left -= item.length + NODE;
  else if (typeof item === "object" && item !== null) takeWeight(item);
  else left -= NODE;
}
