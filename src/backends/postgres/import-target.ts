/** What the parts of an import into the PostgreSQL backend share (P1). */
import { ConflictError } from "../../contract/errors.js";
import type { GroupVerdict, ImportBatch, ImportRow, ImportSubject } from "../../domain/driver/imports.js";
import { subjectName } from "../../domain/records/import-refusals.js";
import type { Transaction } from "./connection/transaction.js";
import type { DeclaredDimensions } from "./item-vectors.js";

/** One batch on its way. */
export interface Import {
  readonly tx: Transaction;
  readonly tenant: string;
  readonly now: number;
  readonly onConflict: ImportBatch["onConflict"];
  /** Of the first labels whose items bring vectors. */
  readonly dimensions: DeclaredDimensions;
}

export type RowOf<Kind extends ImportRow["kind"]> = Extract<ImportRow, { readonly kind: Kind }>;

export function ofKind<Kind extends ImportRow["kind"]>(rows: readonly ImportRow[], kind: Kind): RowOf<Kind>[] {
  return rows.filter((row): row is RowOf<Kind> => row.kind === kind);
}

/** What stands where a subject is to be: one that is there, what is left of an expired one, nothing, or a context that nobody names. */
export type Place = "taken" | "left" | "free" | "unnamed";

/** @throws ConflictError */
export function verdictOn(place: Place, subject: ImportSubject, onConflict: ImportBatch["onConflict"]): GroupVerdict {
  if (place === "unnamed") return "skipped";
  if (place !== "taken") return "imported";
  if (onConflict === "error") throw new ConflictError(`${subjectName(subject)} is already stored`);
  if (onConflict === "extend") return subject.kind === "item" ? "replaced" : "extended";
  return onConflict === "replace" ? "replaced" : "skipped";
}

export function writtenMeanwhile(subject: ImportSubject): ConflictError {
  return new ConflictError(`${subjectName(subject)} was written to while it was imported`);
}
