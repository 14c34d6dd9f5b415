/** Cutting a long text: no piece ends within a character. */

/** Where a piece that would end at `end` ends: a character of two halves stays whole. */
export function endOfPiece(text: Pick<string, "length" | "charCodeAt">, end: number): number {
  const code = text.charCodeAt(end - 1);
  return end < text.length && code >= 0xd800 && code <= 0xdbff ? end + 1 : Math.min(end, text.length);
}
