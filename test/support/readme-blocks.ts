// The fenced blocks of a Markdown page, and what a reader may expect of each.
//
// The first word after the fence is the language. The words behind it, which no page shows, say how the block is run:
// `file=NAME` saves the block under that name, `continues` runs it in the folder of the block before it, and
// `repository` marks commands for a clone of the repository.

/** Languages whose blocks are run. */
export const RUN_LANGUAGES: readonly string[] = ["ts", "js", "sh"];

export interface ReadmeBlock {
  readonly language: string;
  /** The words behind the language. */
  readonly words: readonly string[];
  readonly code: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** What the `text` block right behind it says that this one prints. */
  readonly output?: string;
}

/** Every fenced block in order; a `text` block behind a block that is run becomes its `output`. */
export function readmeBlocks(markdown: string): ReadmeBlock[] {
  const blocks: ReadmeBlock[] = [];
  let open: { fence: string; info: string[]; line: number; code: string[] } | undefined;
  for (const [index, text] of markdown.split(/\r?\n/).entries()) {
    const fence = /^(`{3,}|~{3,})\s*(.*)$/.exec(text);
    if (open === undefined) {
      if (fence === null) continue;
      open = { fence: fence[1] ?? "", info: (fence[2] ?? "").split(/\s+/).filter(Boolean), line: index + 1, code: [] };
    } else if (fence?.[2] === "" && fence[1]?.startsWith(open.fence)) {
      const [language = "", ...words] = open.info;
      addBlock(blocks, { language, words, code: open.code.join("\n"), line: open.line });
      open = undefined;
    } else {
      open.code.push(text);
    }
  }
  if (open !== undefined) throw new Error(`the fence of line ${open.line} is never closed`);
  return blocks;
}

function addBlock(blocks: ReadmeBlock[], block: ReadmeBlock): void {
  const last = blocks.at(-1);
  if (block.language === "text" && last !== undefined && RUN_LANGUAGES.includes(last.language)) {
    if (last.output !== undefined) throw new Error(`the block of line ${last.line} has two outputs`);
    blocks[blocks.length - 1] = { ...last, output: block.code };
  } else {
    blocks.push(block);
  }
}

/** The value of `name=value` among a block's words. */
export function blockWord(block: ReadmeBlock, name: string): string | undefined {
  return block.words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** Whether a program printed what the page says: spaces at line ends do not count, `…` stands for any text in a line. */
export function printsAsShown(printed: string, shown: string): boolean {
  const pattern = tidy(shown)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
  return new RegExp(`^${pattern}$`).test(tidy(printed));
}

function tidy(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .join("\n")
    .trim();
}
