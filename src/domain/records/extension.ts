/** Whether records go on from what is stored under the id of their subject (P1). */
import { ConflictError } from "../../contract/errors.js";
import type { ImportGroup, ImportSubject } from "../driver/imports.js";
import { subjectName } from "./import-refusals.js";

/** Why they do not: it is another subject, or the stored one has gone on by itself. */
export type ExtensionRefusal = "another" | "further";

/** What a stored session is known by. */
export interface ExtendedSession {
  readonly userId: string;
  readonly createdAt: number;
  readonly ttlMs: number | null;
  readonly contextId: string | null;
  readonly lastSeq: number;
}

/** What a stored thread is known by. */
export interface ExtendedThread {
  readonly sessionId: string | null;
  readonly createdAt: number;
  readonly lastSeq: number;
}

/** @throws ConflictError */
export function assertExtendsSession(stored: ExtendedSession, { subject, rows }: ImportGroup): void {
  const [first, second] = rows;
  if (first?.kind !== "session") return;
  const { session, contextId } = first;
  const isSame =
    session.userId === stored.userId &&
    session.createdAt === stored.createdAt &&
    session.ttlMs === stored.ttlMs &&
    contextId === stored.contextId;
  if (!isSame) throw cannotExtend(subject, "another");
  const next = second?.kind === "message" ? second.message.seq : Number.POSITIVE_INFINITY;
  if (session.lastSeq < stored.lastSeq || next <= stored.lastSeq) throw cannotExtend(subject, "further");
}

/** @throws ConflictError */
export function assertExtendsThread(stored: ExtendedThread, { subject, rows }: ImportGroup): void {
  const [first] = rows;
  if (first?.kind !== "thread") return;
  if (first.createdAt !== stored.createdAt || first.sessionId !== stored.sessionId)
    throw cannotExtend(subject, "another");
  const next = rows.find((row) => row.kind === "checkpoint")?.seq ?? Number.POSITIVE_INFINITY;
  if (first.lastSeq < stored.lastSeq || next <= stored.lastSeq) throw cannotExtend(subject, "further");
}

/** @throws ConflictError */
export function assertExtendsContext(newestVersion: number, { subject, rows }: ImportGroup): void {
  const [first] = rows;
  if (first?.kind === "task_context" && first.version <= newestVersion) throw cannotExtend(subject, "further");
}

export function cannotExtend(subject: ImportSubject, why: ExtensionRefusal): ConflictError {
  const name = subjectName(subject);
  return new ConflictError(
    why === "another"
      ? `${name} is stored as another one, which these records do not go on from`
      : `${name} is stored with what these records have not, or not before them`,
  );
}
