/** What the sums of rows are called by, whichever way they are taken. */

export type SumKind = "products" | "squares";

/** Some rows of an array that holds row after row, each as long as the query. */
export interface RowRange {
  readonly values: Float32Array;
  readonly from: number;
  readonly count: number;
}
