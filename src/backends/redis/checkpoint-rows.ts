/** Rows of checkpoints as the server has them, and what belongs to one: blocks of its state and its writes. */
import { CorruptionError } from "../../contract/errors.js";
import { type CheckpointParts, compareWrites } from "../../domain/checkpoints.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { type ReadBlocks, restoreState } from "../../domain/segments/restore.js";
import type { NewBlock, SplitState } from "../../domain/segments/split.js";

/** What the script puts behind `seq createdAt`. */
export interface RowParts {
  readonly sizeBytes: number;
  readonly needsParent: boolean;
  readonly root: string | null;
  /** `[parent, session]`. */
  readonly links: string;
  readonly metadata: string;
  readonly manifest: string;
}

export function rowParts(
  checkpoint: Pick<StoredCheckpoint, "sizeBytes" | "needsParent" | "parentId" | "sessionId" | "metadata">,
  { root, manifest }: Pick<SplitState, "root" | "manifest">,
): RowParts {
  const { sizeBytes, needsParent, parentId, sessionId, metadata } = checkpoint;
  return { sizeBytes, needsParent, root, links: JSON.stringify([parentId, sessionId]), metadata, manifest };
}

/** A checkpoint without its parts, and where its state begins. */
export type CheckpointRow = Omit<StoredCheckpoint, "data" | "writes"> & { readonly manifest: string };

const HEADER = /^(\d+) (-?\d+) (\d+) ([01]) ([0-9a-f]{32}|-)$/;

/** @throws CorruptionError for what is no row */
export function parseRow(namespace: string, checkpointId: string, text: string): CheckpointRow {
  const first = text.indexOf("\n");
  const second = text.indexOf("\n", first + 1);
  const third = text.indexOf("\n", second + 1);
  const [, seq, createdAt, sizeBytes, needsParent, root] = HEADER.exec(text.slice(0, first)) ?? [];
  if (root === undefined || third === -1) throw new CorruptionError("the row of a checkpoint is damaged");
  const [parentId, sessionId] = JSON.parse(text.slice(first + 1, second)) as [string | null, string | null];
  return {
    namespace,
    checkpointId,
    parentId,
    sessionId,
    metadata: text.slice(second + 1, third),
    seq: Number(seq),
    createdAt: Number(createdAt),
    needsParent: needsParent === "1",
    sizeBytes: Number(sizeBytes),
    etag: root === "-" ? null : root,
    manifest: text.slice(third + 1),
  };
}

/** Namespace and id of a place. */
export function parsePlace(place: string): readonly [namespace: string, checkpointId: string] {
  const stop = place.indexOf("\0");
  return [place.slice(0, stop), place.slice(stop + 1)];
}

export function placeOf(namespace: string, checkpointId: string): string {
  return `${namespace}\0${checkpointId}`;
}

/** A block as it is stored: how many blocks it needs, their names, and what it holds. */
export function packBlock({ data, children }: NewBlock): Buffer {
  const head = Buffer.alloc(4 + 16 * children.length);
  head.writeUInt32BE(children.length);
  for (const [i, name] of children.entries()) head.write(name, 4 + 16 * i, "hex");
  return Buffer.concat([head, data]);
}

/** Blocks of a reply by their names. @param flat names and values one behind the other */
export function readerOf(flat: readonly Buffer[]): ReadBlocks & { readonly names: string[] } {
  const blocks = new Map<string, Uint8Array>();
  for (let i = 0; i < flat.length; i += 2) {
    const value = flat[i + 1] as Buffer;
    const count = value.length < 4 ? 0 : value.readUInt32BE();
    blocks.set((flat[i] as Buffer).toString("hex"), value.subarray(Math.min(4 + 16 * count, value.length)));
  }
  return Object.assign((names: readonly string[]) => names.map((name) => blocks.get(name)), {
    names: [...blocks.keys()],
  });
}

/** @throws CorruptionError when a part of the state is missing or damaged (K5) */
export function toCheckpoint(
  row: CheckpointRow,
  parts: CheckpointParts,
  read: ReadBlocks,
  writes: readonly (string | null)[],
): StoredCheckpoint {
  const { manifest, ...stored } = row;
  const isKnown = row.etag !== null && row.etag === parts.ifNoneMatch;
  return {
    ...stored,
    data: parts.data && !isKnown ? restoreState(manifest, read) : null,
    writes: parts.writes ? parseWrites(writes) : null,
  };
}

/** What a write's name holds behind its place, and its value with what else is kept of it. */
export function packWrite({ taskId, index, taskPath, channel, value }: StoredWrite): [name: string, value: string] {
  return [packWriteName({ taskId, index }), `${JSON.stringify([taskPath, channel])}\n${value}`];
}

/** Behind the place of its checkpoint. */
export function packWriteName({ taskId, index }: Pick<StoredWrite, "taskId" | "index">): string {
  return `${taskId}\0${index}`;
}

/** The value of a packed write. */
export function packedText(packed: string | null): string | null {
  return packed?.slice(packed.indexOf("\n") + 1) ?? null;
}

/** A packed write with another value. */
export function packedWith(packed: string, value: string): string {
  return packed.slice(0, packed.indexOf("\n") + 1) + value;
}

/** @param flat names and values one behind the other. @throws CorruptionError when one is missing */
export function parseWrites(flat: readonly (string | null)[]): StoredWrite[] {
  const writes: StoredWrite[] = [];
  for (let i = 0; i < flat.length; i += 2) writes.push(parseWrite(flat[i] as string, flat[i + 1] ?? null));
  return writes.sort(compareWrites);
}

export function parseWrite(name: string, packed: string | null): StoredWrite {
  if (packed === null) throw new CorruptionError("a write of a checkpoint is missing");
  const [taskId, index] = parsePlace(name);
  const line = packed.indexOf("\n");
  const [taskPath, channel] = JSON.parse(packed.slice(0, line)) as [string, string];
  return { taskId, taskPath, index: Number(index), channel, value: packed.slice(line + 1) };
}
