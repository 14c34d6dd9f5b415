/** Texts that are not the cursor that a listing gave, though some are close to it (S7). */

/** Ways to damage a cursor: each must be refused. */
export function damagedCursors(cursor: string): unknown[] {
  const middle = Math.floor(cursor.length / 2);
  const flipped = (at: number): string => {
    const letter = cursor[at] === "A" ? "B" : "A";
    return cursor.slice(0, at) + letter + cursor.slice(at + 1);
  };
  return [
    "",
    " ",
    "a",
    "null",
    "{}",
    "[]",
    "eyJhIjoxfQ",
    "\0",
    "x".repeat(100_000),
    cursor.slice(1),
    cursor.slice(0, -1),
    cursor.slice(0, middle),
    `${cursor}A`,
    ` ${cursor}`,
    `${cursor}\n`,
    cursor + cursor,
    flipped(0),
    flipped(middle),
    flipped(cursor.length - 2),
    [...cursor].reverse().join(""),
    0,
    null,
    {},
    [cursor],
  ];
}
