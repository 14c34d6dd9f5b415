/**
 * Deleting many messages at once (C6). One transaction over all of them would end in a long COMMIT; so they go out of sight at
 * once, as a gap in the session's row that every reader leaves out, and are swept behind it in short transactions.
 */

/** Exclusive bounds by `seq` of messages that are deleted and not all swept; `null` for none. A session has one gap at most. */
export interface Gap {
  readonly gapAfter: number | null;
  readonly gapBefore: number | null;
}

/** Exclusive bounds by `seq`. */
export interface SeqRange {
  readonly after: number;
  readonly before: number;
}

/** Above every `seq`. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

/** What is in sight of a range, oldest part first. */
export function partsInSight(
  { gapAfter, gapBefore }: Gap,
  range: { readonly after: number | null; readonly before: number | null },
): SeqRange[] {
  const whole = { after: range.after ?? 0, before: range.before ?? NO_BOUND };
  const parts =
    gapAfter === null || gapBefore === null
      ? [whole]
      : [
          { ...whole, before: Math.min(whole.before, gapAfter + 1) },
          { ...whole, after: Math.max(whole.after, gapBefore - 1) },
        ];
  return parts.filter(({ after, before }) => before - after > 1);
}

export function isInGap({ gapAfter, gapBefore }: Gap, seq: number): boolean {
  return gapAfter !== null && gapBefore !== null && seq > gapAfter && seq < gapBefore;
}
