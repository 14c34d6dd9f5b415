/** What drivers say of records that they cannot take (P1). */
import { InvalidArgumentError, quoteIdentifier } from "../../contract/errors.js";
import type { ImportGroup, ImportSubject } from "../driver/imports.js";

/** The subject of a group in words. */
export function subjectName(subject: ImportSubject): string {
  if (subject.kind === "item") return `item ${quoteIdentifier(JSON.stringify([...subject.namespace, subject.key]))}`;
  return `${subject.kind.replace("_", " ")} ${quoteIdentifier(subject.id)}`;
}

/** The refusal of a row whose id its subject has already, with the number of its record. */
export function doubledId({ subject, firstRecord, rows }: ImportGroup, position: number): InvalidArgumentError {
  const kind = rows[position]?.kind ?? "record";
  return new InvalidArgumentError(
    `record ${firstRecord + position}: the id of a ${kind} stands twice in ${subjectName(subject)}`,
  );
}
