/** Listings: many things of one kind. */
import { jsonText } from "./json.js";
import type { Printer } from "./printer.js";
import type { Column, TableStyle } from "./table.js";
import { renderText } from "./text.js";
import { counted } from "./units.js";

export interface Listing<Row> {
  /** What one row is called. */
  readonly noun: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** What a row is in JSON. Default: itself. */
  readonly json?: (row: Row) => unknown;
  /** Value of `--cursor` for the next page. */
  readonly nextCursor?: string | undefined;
}

/** Prints a listing; the footer with the next cursor goes to stderr. */
export async function printListing<Row>(printer: Printer, listing: Listing<Row>): Promise<void> {
  const { noun, columns, rows, nextCursor, json = (row: Row): unknown => row } = listing;
  switch (printer.form) {
    case "json":
      return printer.print(jsonText({ items: rows.map(json), nextCursor: nextCursor ?? null, count: rows.length }));
    case "text":
      await printer.print(renderText(columns, rows));
      break;
    case "table":
      if (rows.length > 0) await printer.print(await tableText(columns, rows, printer.style));
  }
  printer.note(footer(noun, rows.length, nextCursor));
}

/** A table. What draws it is loaded only for people. */
export async function tableText<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: TableStyle,
): Promise<string> {
  const { renderTable } = await import("./table.js");
  return renderTable(columns, rows, style);
}

/** `20 sessions · next: --cursor …` */
export function footer(noun: string, count: number, nextCursor: string | undefined): string {
  const found = counted(count, noun);
  return nextCursor === undefined ? found : `${found} · next: --cursor ${nextCursor}`;
}
