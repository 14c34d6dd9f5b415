/** One thing with its fields, and what a write has changed. */
import { styleText } from "node:util";
import stringWidth from "string-width";
import { escapeBlock, escapeLine } from "./escape.js";
import { jsonText } from "./json.js";
import type { Printer } from "./printer.js";
import { textLine } from "./text.js";

/** One line of a thing's description. */
export interface Field {
  readonly name: string;
  /** The full value, for a pipe. A field whose value is `undefined` is left out. */
  readonly value: string | number | undefined;
  /** What people see instead; it may have several lines. */
  readonly shown?: string | undefined;
}

/** Prints one thing: its JSON, a line a field for pipes, or aligned fields for people. */
export async function printThing(printer: Printer, fields: readonly Field[], json: unknown): Promise<void> {
  if (printer.form === "json") return printer.print(jsonText(json));
  const present = fields.filter(({ value }) => value !== undefined);
  if (printer.form === "text") {
    return printer.print(present.map(({ name, value }) => textLine([name, value])).join(""));
  }
  const width = Math.max(0, ...present.map(({ name }) => stringWidth(name)));
  const lines = present.map(({ name, value, shown }) => {
    const label = `${name}${" ".repeat(width - stringWidth(name))}`;
    const shownLines = shown === undefined ? escapeLine(String(value)) : escapeBlock(shown);
    const [first = "", ...more] = shownLines.split("\n");
    const indent = " ".repeat(width + 2);
    const text = [first, ...more.map((line) => `${indent}${line}`)].join("\n");
    return `${printer.style.color ? styleText("bold", label, { validateStream: false }) : label}  ${text}\n`;
  });
  return printer.print(lines.join(""));
}

/** What a command has changed, or with `--dry-run` would change. */
export interface Change {
  /** How many things were changed. */
  readonly changed: number;
  readonly [field: string]: unknown;
}

/** Prints `{ changed, … }`: JSON, or a line a field for pipes; people read the sentence. */
export async function printChange(printer: Printer, change: Change, sentence: string): Promise<void> {
  if (printer.form === "json") return printer.print(jsonText(change));
  if (printer.form === "table") return printer.print(`${escapeLine(sentence)}\n`);
  const scalars = Object.entries(change).filter(([, value]) => typeof value !== "object");
  return printer.print(scalars.map(([name, value]) => textLine([name, String(value)])).join(""));
}
