/**
 * Stored text on its way to a terminal. A stored identifier or message may hold control sequences that move the cursor, change the
 * title or forge lines; here they become visible text.
 */

/**
 * Control characters, separators of lines, lone surrogates, and format characters: marks that reorder or hide text. The two
 * joiners stay, because scripts and emoji need them and they do neither.
 */
const HARMFUL = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Cf}]/gu;
const JOINERS = /[\u200C\u200D]/;

const SHORT: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line: line breaks, tabs and all else that a terminal acts upon are spelled out. */
export function escapeLine(text: string): string {
  return text.replace(HARMFUL, spelled);
}

/** Several lines: as `escapeLine`, but line breaks stay, and a tab becomes two spaces. */
export function escapeBlock(text: string): string {
  return text
    .split(/\r\n|\n/)
    .map((line) => escapeLine(line.replaceAll("\t", "  ")))
    .join("\n");
}

/** JSON text with the same characters as `\u` escapes: the same document, harmless when it is shown on a terminal. */
export function escapeJson(json: string): string {
  return json.replace(HARMFUL, (character) => {
    if (character === "\n") return character;
    return Array.from({ length: character.length }, (_, i) => unit(character, i)).join("");
  });
}

function spelled(character: string): string {
  if (JOINERS.test(character)) return character;
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code <= 0xffff ? unit(character, 0) : `\\u{${code.toString(16)}}`;
}

function unit(character: string, index: number): string {
  return `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
}
