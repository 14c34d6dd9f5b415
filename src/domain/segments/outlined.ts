/** The outline of a text and what its root holds, with all taken over that is known of its rows and of the text before. */
import { type EncodedText, isRow, type RowStretch, type Stretch, type ValueRow } from "../codec/encoded-text.js";
import { ItemList } from "./item-list.js";
import type { Child, Item } from "./items.js";
import type { Outline, OutlinedStretch } from "./outline.js";
import { type CutParts, cutPart, isUncut, piecesOf } from "./pieces.js";
import { knownRow, RowItems, rememberRow } from "./row-items.js";
import { byFirst, type NodesByFirst, type TreeNode } from "./tree.js";

/** A stretch of the text. */
interface Part {
  /** The parts whose pieces are to be found. */
  readonly toCut: readonly string[];
  /** A row whose lists nothing beside it joins. */
  readonly row: RowStretch | null;
  /** What is known of the row. */
  readonly known: RowItems | undefined;
}

/** Stands for a row whose pieces are known: a value between loose texts, as the row is. */
const ONE_VALUE: readonly string[] = [""];
const NO_PIECES: readonly (readonly Child[])[] = [[]];

/** Contents of pieces that are not taken over go into `contents`. */
export function outlined(
  text: EncodedText,
  before: Outline | null,
  contents: Map<string, Uint8Array>,
): { readonly outline: Outline; readonly items: readonly Item[] } {
  const parts = partsOf(text);
  const knownRows = new Set(parts.flatMap(({ known }) => known ?? []));
  const pieces = piecesOf(flat(parts.map(({ toCut }) => toCut)), before && cutBefore(before, knownRows), contents);
  const nodes: TreeNode[] = [];
  const list = new ItemList(byFirst(before?.nodes ?? []), (node) => nodes.push(node));
  const stretches: OutlinedStretch[] = [];
  let start = 0;
  for (const { toCut, row, known } of parts) {
    const own = parts.length === 1 ? pieces : pieces.slice(start, start + toCut.length);
    start += toCut.length;
    if (row === null) {
      for (let i = 0; i < toCut.length; i++) list.add(toCut[i] as string, own[i] as readonly Child[]);
      stretches.push({ parts: toCut, count: toCut.length, pieces: own, row: null });
    } else {
      const items = known === undefined ? newRow(row, own, before) : grownRow(known, row, contents);
      list.addApart(items.soFar);
      stretches.push({ parts: row.row.parts, count: row.count, pieces: items.pieces, row: items });
    }
  }
  const partCount = stretches.reduce((sum, { count }) => sum + count, 0);
  return { items: list.end(), outline: { stretches, nodes, partCount, bytes: text.bytes } };
}

function partsOf({ stretches }: EncodedText): Part[] {
  const met = new Set<ValueRow>();
  return stretches.map((stretch, i) => {
    if (!isRow(stretch)) return { toCut: stretch, row: null, known: undefined };
    const { row, count } = stretch;
    // What is known of a row is of one length, and a second stretch may have another one.
    const isApart = keepsApart(stretches[i - 1], -1) && keepsApart(stretches[i + 1], 0) && !met.has(row);
    met.add(row);
    const known = isApart ? knownRow(row) : undefined;
    if (known !== undefined && known.pieces.length <= count) return { toCut: ONE_VALUE, row: stretch, known };
    return { toCut: row.parts.slice(0, count), row: isApart ? stretch : null, known: undefined };
  });
}

/** Whether no list goes on from a row to what is beside it: the text there stands in the root, and is more than a comma. */
function keepsApart(beside: Stretch | undefined, end: 0 | -1): boolean {
  const loose = beside === undefined || isRow(beside) ? undefined : beside.at(end);
  return loose !== undefined && loose !== "" && loose !== "," && isUncut(loose);
}

function newRow({ row, count }: RowStretch, pieces: readonly (readonly Child[])[], before: Outline | null): RowItems {
  const items = new RowItems(before === null ? new Map() : allByFirst(before));
  for (let i = 0; i < count; i++) items.add(row.parts[i] as string, pieces[i] as readonly Child[]);
  rememberRow(row, items);
  return items;
}

function grownRow(items: RowItems, { row, count }: RowStretch, contents: Map<string, Uint8Array>): RowItems {
  for (let i = items.pieces.length; i < count; i++) {
    const part = row.parts[i] as string;
    items.add(part, cutPart(part, i % 2 === 0, contents));
  }
  return items;
}

function cutBefore({ stretches }: Outline, knownRows: ReadonlySet<RowItems>): CutParts {
  const others = stretches.map(({ parts, pieces, count, row }) => {
    if (row !== null && knownRows.has(row)) return { parts: ONE_VALUE, pieces: NO_PIECES };
    return row === null ? { parts, pieces } : { parts: parts.slice(0, count), pieces: pieces.slice(0, count) };
  });
  return { parts: flat(others.map(({ parts }) => parts)), pieces: flat(others.map(({ pieces }) => pieces)) };
}

function allByFirst({ nodes, stretches }: Outline): NodesByFirst {
  return byFirst(flat([nodes, ...stretches.map(({ row }) => (row === null ? [] : [...row.nodes.values()]))]));
}

/** One list of several; of one, that one. */
function flat<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists.length === 1 ? (lists[0] as readonly T[]) : lists.flat();
}
