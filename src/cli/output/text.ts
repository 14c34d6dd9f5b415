/** What a pipe gets without `--json`: a line a row, fields separated by tabs, full values, no heading and no colour. */
import { escapeLine } from "./escape.js";
import type { Column } from "./table.js";

/** One line a row, all columns in their order. */
export function renderText<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return rows.map((row) => textLine(columns.map((column) => column.value(row)))).join("");
}

/** Fields in one line; tabs and line breaks inside a field are spelled out. */
export function textLine(fields: readonly (string | number | undefined)[]): string {
  return `${fields.map((field) => escapeLine(String(field ?? ""))).join("\t")}\n`;
}
