// What a Markdown page links to, and the anchors that it offers, as GitHub makes them of its headings.

export interface PageLink {
  /** Relative path or address, without the anchor; empty for a link within the page. */
  readonly target: string;
  /** Without `#`; absent when the link names none. */
  readonly anchor?: string;
  /** From 1. */
  readonly line: number;
}

export interface MarkdownPage {
  readonly headings: readonly { readonly level: number; readonly text: string }[];
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly PageLink[];
}

/** Reads a page; what stands in code is neither a heading nor a link. */
export function readMarkdownPage(markdown: string): MarkdownPage {
  const headings: { level: number; text: string }[] = [];
  const anchors = new Set<string>();
  const links: PageLink[] = [];
  for (const [index, text] of withoutFences(markdown).entries()) {
    const heading = /^(#{1,6})\s+(.+?)\s*#*$/.exec(text);
    if (heading !== null) {
      const title = plainText(heading[2] ?? "");
      headings.push({ level: heading[1]?.length ?? 0, text: title });
      anchors.add(uniqueAnchor(anchorOf(title), anchors));
    }
    const spoken = text.replace(/`[^`]*`/g, (code) => " ".repeat(code.length));
    for (const [, address = ""] of spoken.matchAll(/\]\(([^()\s]+(?:\([^()\s]*\))?)\)/g)) {
      const [target = "", anchor] = address.split("#");
      links.push({ target, line: index + 1, ...(anchor === undefined ? {} : { anchor }) });
    }
  }
  return { headings, anchors, links };
}

/** The lines of a page, those of code blocks empty. */
function withoutFences(markdown: string): string[] {
  let fence: string | undefined;
  return markdown.split(/\r?\n/).map((line) => {
    const mark = /^\s*(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence === undefined) {
      fence = mark?.[1];
      return mark === null ? line : "";
    }
    if (mark?.[2]?.trim() === "" && mark[1]?.startsWith(fence)) fence = undefined;
    return "";
  });
}

/** A heading as it is read: without the marks of code, emphasis and links. */
function plainText(heading: string): string {
  return heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** A heading that is there twice gets a number. */
function uniqueAnchor(anchor: string, taken: ReadonlySet<string>): string {
  let unique = anchor;
  for (let n = 1; taken.has(unique); n++) unique = `${anchor}-${n}`;
  return unique;
}
