/** How deep a JSON text is nested. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Levels of nested arrays and objects in a JSON text: 0 for a scalar. */
export function levelsOf(json: string): number {
  let level = 0;
  let deepest = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(json, i);
        break;
      case 0x5b:
      case 0x7b:
        level += 1;
        if (level > deepest) deepest = level;
        break;
      case 0x5d:
      case 0x7d:
        level -= 1;
        break;
    }
  }
  return deepest;
}

/** The quote that ends the string which begins at `start`. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end;
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}
