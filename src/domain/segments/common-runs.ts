/** Which parts of a text are parts of the one before it, in runs. Found by looks at whole strings; what is overlooked costs time alone. */

/** Parts that stand one behind the other in both texts. */
export interface CommonRun {
  /** The first part in the new text, and in the old one. */
  readonly at: number;
  readonly oldAt: number;
  readonly count: number;
}

/** How far to look, on both sides, for the place where the texts go on together. */
const NEAR = 6;

/** Shorter parts are commas and the like, which stand everywhere. */
const TELLING = 16;

/** The runs, in the order of the new text. */
export function commonRuns(parts: readonly string[], old: readonly string[]): CommonRun[] {
  const runs: CommonRun[] = [];
  let places: ReadonlyMap<string, number> | undefined;
  let at = 0;
  let oldAt = 0;
  while (at < parts.length) {
    let count = 0;
    while (at + count < parts.length && parts[at + count] === old[oldAt + count]) count += 1;
    if (count > 0) {
      runs.push({ at, oldAt, count });
      at += count;
      oldAt += count;
      continue;
    }
    const near = meeting(parts, at, old, oldAt);
    if (near !== undefined) {
      at += near.skipped;
      oldAt += near.skippedOld;
      continue;
    }
    if (parts.length - at > NEAR) places ??= placesOf(old);
    const place = places?.get(parts[at] as string);
    if (place === undefined) at += 1;
    else oldAt = place;
  }
  return runs;
}

/** The nearest place at which the texts go on together: what was put in between and what was taken out is short in most steps. */
function meeting(
  parts: readonly string[],
  at: number,
  old: readonly string[],
  oldAt: number,
): { readonly skipped: number; readonly skippedOld: number } | undefined {
  for (let distance = 1; distance <= 2 * NEAR; distance++) {
    for (let skipped = Math.max(0, distance - NEAR); skipped <= Math.min(distance, NEAR); skipped++) {
      const part = parts[at + skipped];
      if (part === undefined || part.length < TELLING) continue;
      const skippedOld = distance - skipped;
      if (part === old[oldAt + skippedOld]) return { skipped, skippedOld };
    }
  }
  return undefined;
}

function placesOf(old: readonly string[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [place, part] of old.entries()) {
    if (part.length >= TELLING && !places.has(part)) places.set(part, place);
  }
  return places;
}
