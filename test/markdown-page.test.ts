// The checks of the documents find what they are for.
import { describe, expect, it } from "vitest";
import { checkBlocks, type PageBlock } from "./support/check-blocks.js";
import { readMarkdownPage } from "./support/markdown-page.js";

describe("a page", () => {
  it("has the anchors that GitHub makes of its headings", () => {
    const headings = [
      "# `openStorage(url)`",
      "## What is kept, exactly?",
      "### STORE_NOT_FOUND",
      "## [P1](x.md) & more",
      "## Größe",
    ];
    expect([...readMarkdownPage(headings.join("\n\n")).anchors]).toEqual([
      "openstorageurl",
      "what-is-kept-exactly",
      "store_not_found",
      "p1--more",
      "größe",
    ]);
  });

  it("numbers headings that are there twice", () => {
    expect([...readMarkdownPage("# A\n## A\n## A").anchors]).toEqual(["a", "a-1", "a-2"]);
  });

  it("has links with their anchors and lines, also several in a line", () => {
    const page = readMarkdownPage("See [a](a.md#one).\n\n[b](../b/) and [c](#two) and ![d](d.png)");
    expect(page.links).toEqual([
      { target: "a.md", anchor: "one", line: 1 },
      { target: "../b/", line: 3 },
      { target: "", anchor: "two", line: 3 },
      { target: "d.png", line: 3 },
    ]);
  });

  it("has neither headings nor links in its code", () => {
    const page = readMarkdownPage("`[a](a.md)`\n\n````md\n# no\n```\n[b](b.md)\n````\n\n# yes");
    expect(page.links).toEqual([]);
    expect(page.headings).toEqual([{ level: 1, text: "yes" }]);
  });
});

describe("the code of a page", { timeout: 120_000 }, () => {
  const block = (code: string, line: number, ...words: string[]): PageBlock => {
    return { page: "docs/x.md", language: "ts", words, code, line };
  };

  it("is compiled, blocks of one page together, fragments with a storage in scope", () => {
    const blocks = [
      block("export const answer: number = 42;", 1, "file=answer.ts"),
      block('import { answer } from "./answer.js";\nconsole.log(answer.toFixed());', 5),
      block('const session = await storage.getSession("s");\nconsole.log(session?.status);', 9, "fragment"),
      block('import { openStorage } from "waystone";\nconst storage = await openStorage("memory:");', 13, "fragment"),
    ];
    expect(checkBlocks(blocks)).toBe("");
  });

  it("is reported by page and line when it does not compile", () => {
    const complaints = checkBlocks([
      block('await storage.getSession("s");', 3),
      block('await storage.getSessoin("s");', 7, "fragment"),
      block("const n: number = 'one';\nexport {};", 11),
    ]);
    expect(complaints).toContain("docs/x.md/line-3.ts(1,7)");
    expect(complaints).toContain("getSessoin");
    expect(complaints).toContain("docs/x.md/line-11.ts(1,7)");
  });
});
