/** What a script needs of the parts that it is put together from: Lua makes each function anew in each call, whether it is called or not. */

interface Piece {
  /** Of a function; other lines have none and stay. */
  readonly name?: string | undefined;
  readonly lines: string[];
}

/** The text without functions that nothing calls. A function begins and ends at the beginning of a line, or takes one line. */
export function neededParts(text: string): string {
  const pieces = piecesOf(text);
  const needed = new Set<Piece>();
  const words = new Set<string>();
  for (let before = -1; before < needed.size; ) {
    before = needed.size;
    for (const piece of pieces) {
      if (needed.has(piece) || (piece.name !== undefined && !words.has(piece.name))) continue;
      needed.add(piece);
      for (const word of wordsOf(piece)) words.add(word);
    }
  }
  return pieces
    .filter((piece) => needed.has(piece))
    .flatMap(({ lines }) => lines)
    .join("\n");
}

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let open: Piece | undefined;
  for (const line of text.split("\n")) {
    const name = /^local function (\w+)\(/.exec(line)?.[1];
    if (open === undefined || name !== undefined) pieces.push({ name, lines: [line] });
    else open.lines.push(line);
    if (name !== undefined) open = / end$/.test(line) ? undefined : pieces.at(-1);
    else if (line === "end") open = undefined;
  }
  return pieces;
}

function wordsOf({ lines }: Piece): string[] {
  return lines.flatMap((line) => (line.trimStart().startsWith("--") ? [] : (line.match(/\w+/g) ?? [])));
}
