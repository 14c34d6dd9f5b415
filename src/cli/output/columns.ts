/** The columns that several listings have. */

import type { Metadata } from "../../contract/json.js";
import { jsonField } from "./json.js";
import type { Column } from "./table.js";
import { count, relativeTime, size } from "./units.js";

/** An identifier, cut in the middle so that both of its ends can be told apart. */
export function idColumn<Row>(title: string, value: (row: Row) => string | undefined, keep: number): Column<Row> {
  return { title, value, keep, cut: "middle" };
}

/** A count with separated thousands. */
export function countColumn<Row>(title: string, value: (row: Row) => number, keep: number): Column<Row> {
  return { title, value, shown: (row) => count(value(row)), align: "right", keep };
}

/** An instant: RFC 3339 for pipes, `3 min ago` for people. */
export function timeColumn<Row>(title: string, value: (row: Row) => Date | undefined, keep: number): Column<Row> {
  return {
    title,
    value: (row) => value(row)?.toISOString(),
    shown: (row, now) => {
      const instant = value(row);
      return instant === undefined ? "" : relativeTime(instant, now);
    },
    keep,
  };
}

/** A size: bytes for pipes, `2.1 MB` for people. */
export function sizeColumn<Row>(title: string, value: (row: Row) => number, keep: number): Column<Row> {
  return { title, value, shown: (row) => size(value(row)), align: "right", keep };
}

/** JSON in one line; people see nothing for an empty object. */
export function jsonColumn<Row>(title: string, value: (row: Row) => Metadata, keep: number): Column<Row> {
  const text = (row: Row): string => jsonField(value(row));
  return { title, value: text, shown: (row) => (text(row) === "{}" ? "" : text(row)), keep, cut: "end" };
}
