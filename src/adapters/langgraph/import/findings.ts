/** What an import has to say about single records. */

/**
 * - `undecodable`: the record cannot be read; it stays out, alone.
 * - `missing-value`: the row with the value of a channel is not there; the state comes without it, as their own reader gives it.
 * - `mangled`: the official serialiser put something else in the place of a value; it comes as it is stored.
 * - `unknown-class`: an object that names a class outside the known ones; it comes as plain data.
 * - `missing-parent`: the checkpoint names one that is not there, such as after a deletion by hand.
 * - `orphan-writes`: writes without their checkpoint; they come, and wait for it.
 * - `refused`: our store does not take the record, such as an id of more than 512 bytes.
 * - `removed`: not in our store although later ones of the thread are: it was removed there, and stays so.
 * - `diverged`: the thread has gone on in our store, and this one would become its latest: it stays out.
 * - `difference`: the verification found another state in our store than in theirs.
 */
export const FINDING_KINDS = [
  "undecodable",
  "missing-value",
  "mangled",
  "unknown-class",
  "missing-parent",
  "orphan-writes",
  "refused",
  "removed",
  "diverged",
  "difference",
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** One record that is not simply taken over. */
export interface ImportFinding {
  readonly kind: FindingKind;
  readonly threadId: string;
  readonly namespace: string;
  readonly checkpointId: string;
  /** The part of the checkpoint: `checkpoint`, `metadata`, `channel "messages"`, `write 0 of task "…"`. */
  readonly part: string;
  /** Whether the part is in our store. */
  readonly imported: boolean;
  /** In words, without content. */
  readonly reason: string;
}
