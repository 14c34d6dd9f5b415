// The agent's tools: they really look into this repository's documents.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface Hit {
  readonly file: string;
  readonly line: number;
}

/** The lines whose paragraph holds the most of the words, best first. */
export function search(words: readonly string[]): Hit[] {
  const scored = documents().flatMap((file) =>
    linesOf(file).map((text, index) => {
      const nearby = [text, linesOf(file)[index + 1] ?? ""].join(" ").toLowerCase();
      const score =
        words.filter((word) => nearby.includes(word)).length + (text.toLowerCase().includes(words[0] ?? "") ? 0.5 : 0);
      return { file, line: index + 1, score };
    }),
  );
  return scored
    .filter((hit) => hit.score >= words.length)
    .sort((a, b) => b.score - a.score)
    .slice(0, 5)
    .map(({ file, line }) => ({ file, line }));
}

/** The paragraph or list entry that a line stands in. */
export function read(file: string, line: number): string {
  const lines = linesOf(file);
  const begins = (text: string): boolean => text === "" || /^(- |#|\||```)/.test(text);
  let first = line - 1;
  while (first > 0 && !begins(lines[first] ?? "")) first -= 1;
  let last = line;
  while (last < lines.length && !begins(lines[last] ?? "")) last += 1;
  return lines
    .slice(first, last)
    .map((text) => text.trim())
    .join(" ")
    .trim();
}

/** How often a word stands in the documents. */
export function count(word: string): { readonly word: string; readonly files: number; readonly mentions: number } {
  const mentions = documents().map((file) => linesOf(file).join("\n").toLowerCase().split(word).length - 1);
  return { word, files: mentions.filter((n) => n > 0).length, mentions: mentions.reduce((sum, n) => sum + n, 0) };
}

function documents(): string[] {
  return globSync(["*.md", "docs/**/*.md"], { cwd: root }).sort();
}

function linesOf(file: string): string[] {
  return readFileSync(join(root, file), "utf8").split("\n");
}
