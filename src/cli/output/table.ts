/** Rows as a table for people: it fits the terminal, drops what matters least and shortens what is long. */
import { styleText } from "node:util";
import Table from "cli-table3";
import stringWidth from "string-width";
import { escapeLine } from "./escape.js";

/** One column of a listing, for tables and for tab-separated text. */
export interface Column<Row> {
  readonly title: string;
  /** The full value: what a pipe gets. `undefined` is empty. */
  readonly value: (row: Row) => string | number | undefined;
  /** What a table shows instead: relative times, rounded sizes. */
  readonly shown?: (row: Row, now: number) => string;
  /** Numbers stand at the right. */
  readonly align?: "right";
  /**
   * When the table is too wide, columns go in rising order of this: those below 4 before an identifier is cut, the others only
   * when cutting is not enough. The one with the highest never goes.
   */
  readonly keep: number;
  /** Where a long cell is cut: identifiers in the middle, prose at its end. Default: never cut. */
  readonly cut?: "middle" | "end";
  /** A cell is not cut below this width. Default 12. */
  readonly minWidth?: number;
}

/** What a table has to know of its terminal. */
export interface TableStyle {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
  /** Milliseconds since the epoch, to which relative times refer. */
  readonly now: number;
}

const GAP = "  ";
const MIN_WIDTH = 12;

/** Rows that are laid out at once: the time of the layout grows with their square. */
const CHUNK = 200;

/** The table with its heading; no line is wider than the terminal, unless a column that cannot be cut is. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: TableStyle): string {
  const filled = columns
    .map((column) => ({ column, cells: rows.map((row) => escapeLine(shownValue(column, row, style.now))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const fitted = fitColumns(
    filled.map(({ column, cells }) => measure(column, cells)),
    style.width,
  );
  const lines: string[] = [];
  for (let start = 0; start < rows.length; start += CHUNK) {
    const head = start > 0 ? [] : fitted.map(({ column }) => (style.color ? bold(column.title) : column.title));
    const table = new Table({
      head,
      chars: BORDERLESS,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
      colAligns: fitted.map(({ column }) => column.align ?? "left"),
      colWidths: fitted.map(({ width }) => width),
    });
    for (let index = start; index < Math.min(start + CHUNK, rows.length); index++) {
      table.push(fitted.map((each) => cut(each.cells[index] ?? "", each.width, each.column.cut)));
    }
    lines.push(...table.toString().split("\n"));
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** Cuts a text to a width, `…` where something is missing. */
export function cut(text: string, width: number, where: "middle" | "end" = "end"): string {
  if (stringWidth(text) <= width) return text;
  const characters = charactersOf(text);
  const room = Math.max(0, width - 1);
  const front = where === "end" ? room : Math.ceil(room / 2);
  return `${take(characters, front)}…${where === "end" ? "" : take(characters.reverse(), room - front, true)}`;
}

interface FittedColumn<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  width: number;
  /** The width below which it is not cut. */
  readonly least: number;
  /** The width with identifiers whole, and prose cut. */
  readonly wanted: number;
}

/** Lines of a frame that is not drawn. */
const BORDERLESS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "" },
  middle: GAP,
};

function shownValue<Row>(column: Column<Row>, row: Row, now: number): string {
  const value = column.value(row);
  if (value === undefined) return "";
  return column.shown === undefined ? String(value) : column.shown(row, now);
}

function measure<Row>(column: Column<Row>, cells: readonly string[]): FittedColumn<Row> {
  const title = stringWidth(column.title);
  const width = Math.max(title, ...cells.map((cell) => stringWidth(cell)));
  const least = column.cut === undefined ? width : Math.min(width, Math.max(title, column.minWidth ?? MIN_WIDTH));
  return { column, cells, width, least, wanted: column.cut === "end" ? least : width };
}

/** Columns that give way to whole identifiers. */
const EXTRA = 4;

/** Leaves columns out until the rest fits when cut; then cuts the widest ones, a column of the terminal at a time. */
function fitColumns<Row>(columns: readonly FittedColumn<Row>[], width: number): readonly FittedColumn<Row>[] {
  const left = [...columns];
  for (const each of columns.toSorted((a, b) => a.column.keep - b.column.keep)) {
    const fits = total(left, each.column.keep < EXTRA ? "wanted" : "least") <= width;
    if (fits || left.length === 1) continue;
    left.splice(left.indexOf(each), 1);
  }
  for (let excess = total(left, "width") - width; excess > 0; excess--) {
    const widest = left.filter((each) => each.width > each.least).sort((a, b) => b.width - a.width)[0];
    if (widest === undefined) break;
    widest.width -= 1;
  }
  return left;
}

function total<Row>(columns: readonly FittedColumn<Row>[], part: "width" | "least" | "wanted"): number {
  return columns.reduce((sum, each) => sum + each[part], GAP.length * (columns.length - 1));
}

/** What a reader takes for a character, which may be several code points. */
function charactersOf(text: string): string[] {
  graphemes ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Made when it is first needed: loading it takes as long as a whole listing. */
let graphemes: Intl.Segmenter | undefined;

function take(characters: readonly string[], width: number, reversed = false): string {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += stringWidth(character);
    if (used > width) break;
    taken.push(character);
  }
  return (reversed ? taken.reverse() : taken).join("");
}

function bold(text: string): string {
  return styleText(["bold"], text, { validateStream: false });
}
