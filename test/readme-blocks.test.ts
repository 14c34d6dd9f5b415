// The reader of fenced blocks, so that no block of the README escapes its run.
import { describe, expect, it } from "vitest";
import { blockWord, printsAsShown, readmeBlocks } from "./support/readme-blocks.js";

const page = (...lines: string[]): string => lines.join("\n");

describe("readmeBlocks", () => {
  it("finds blocks with language, words, code and line", () => {
    expect(readmeBlocks(page("# Name", "", "```ts file=a.ts continues", "a();", "", "b();", "```", "end"))).toEqual([
      { language: "ts", words: ["file=a.ts", "continues"], code: "a();\n\nb();", line: 3 },
    ]);
  });

  it("takes a text block behind a block that is run for its output", () => {
    expect(readmeBlocks(page("```sh", "ls", "```", "You see:", "```text", "a", "```"))).toEqual([
      { language: "sh", words: [], code: "ls", line: 1, output: "a" },
    ]);
  });

  it("refuses two outputs of one block", () => {
    const twice = page("```sh", "ls", "```", "```text", "a", "```", "```text", "b", "```");
    expect(() => readmeBlocks(twice)).toThrow("the block of line 1 has two outputs");
  });

  it("leaves a text block that follows no program alone", () => {
    expect(readmeBlocks(page("```json", "{}", "```", "```text", "a", "```"))).toEqual([
      { language: "json", words: [], code: "{}", line: 1 },
      { language: "text", words: [], code: "a", line: 4 },
    ]);
  });

  it("keeps a shorter fence inside a longer one", () => {
    expect(readmeBlocks(page("````md", "```ts", "a();", "```", "````"))).toMatchObject([
      { language: "md", code: "```ts\na();\n```" },
    ]);
  });

  it("reads Windows line ends", () => {
    expect(readmeBlocks("```sh\r\nls\r\n```\r\n")).toMatchObject([{ language: "sh", code: "ls" }]);
  });

  it("finds nothing in a page without blocks", () => {
    expect(readmeBlocks("# Name\n\n`code` in a line")).toEqual([]);
  });

  it("refuses a fence that is never closed", () => {
    expect(() => readmeBlocks(page("```ts", "a();"))).toThrow("the fence of line 1 is never closed");
  });
});

describe("blockWord", () => {
  it("gives the value of a word, or undefined", () => {
    const [block] = readmeBlocks(page("```ts file=a.ts", "```"));
    expect(block && blockWord(block, "file")).toBe("a.ts");
    expect(block && blockWord(block, "folder")).toBeUndefined();
  });
});

describe("printsAsShown", () => {
  it.each([
    ["a\nb\n", "a\nb"],
    ["a  \r\nb\n", "a\nb"],
    ["took 12 ms\n", "took … ms"],
    ["(1 + 1) * [2]\n", "(1 + 1) * [2]"],
  ])("accepts %j for %j", (printed, shown) => {
    expect(printsAsShown(printed, shown)).toBe(true);
  });

  it.each([
    ["a\nb\nc", "a\nb"],
    ["a", "a\nb"],
    ["abc", "b"],
    ["took 12\nms", "took … ms"],
    ["axb", "a.b"],
  ])("refuses %j for %j", (printed, shown) => {
    expect(printsAsShown(printed, shown)).toBe(false);
  });
});
