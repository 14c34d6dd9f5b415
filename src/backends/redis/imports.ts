/** Import into the Redis backend (P1): a batch is one script. */
import { ConflictError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup, ImportRow } from "../../domain/driver/imports.js";
import { cannotExtend } from "../../domain/records/extension.js";
import { doubledId, subjectName } from "../../domain/records/import-refusals.js";
import { splitState } from "../../domain/segments/split.js";
import { packBlock, packWrite, placeOf, rowParts } from "./checkpoint-rows.js";
import type { RedisArgument } from "./connection/client.js";
import type { Connection } from "./connection/connection.js";
import { itemHeader, itemPlace } from "./item-rows.js";
import { CHECK_IMPORT, IMPORT_BATCH } from "./lua/imports.js";
import type { Script } from "./lua/script.js";
import { sessionFields } from "./session-rows.js";

type RowOf<Kind extends ImportRow["kind"]> = Extract<ImportRow, { readonly kind: Kind }>;

export function importBatch(connection: Connection, call: Call, batch: ImportBatch): Promise<GroupVerdict[]> {
  return runImport(connection, call, batch, IMPORT_BATCH);
}

/** Refuses what an import of the batch would refuse, and stores nothing. */
export async function checkImport(connection: Connection, call: Call, batch: ImportBatch): Promise<void> {
  await runImport(connection, call, batch, CHECK_IMPORT);
}

async function runImport(
  connection: Connection,
  call: Call,
  batch: ImportBatch,
  script: Script,
): Promise<GroupVerdict[]> {
  const args: RedisArgument[] = [batch.onConflict, batch.groups.length];
  for (const group of batch.groups) writeGroup(group, args);
  const [verdict, ...rest] = await connection.run<[string, ...unknown[]]>(call, script, args);
  if (verdict === "O") return rest as GroupVerdict[];
  const group = batch.groups[rest[0] as number] as ImportGroup;
  if (verdict === "C") throw new ConflictError(`${subjectName(group.subject)} is already stored`);
  if (rest[1] === "another" || rest[1] === "further") throw cannotExtend(group.subject, rest[1]);
  if (rest[1] === "M") throw new ConflictError(`${subjectName(group.subject)} was written to while it was imported`);
  throw doubledId(group, rest[1] as number);
}

/** As the script reads it: lists begin with their length. */
function writeGroup({ subject, continued, rows }: ImportGroup, args: RedisArgument[]): void {
  args.push(subject.kind, subject.kind === "item" ? itemPlace(subject) : subject.id, continued ?? "");
  switch (subject.kind) {
    case "session":
      writeSession(rows, args);
      return;
    case "task_context": {
      const versions = ofKind(rows, "task_context");
      args.push(versions.length);
      for (const { row } of versions) {
        args.push(row.version, `${row.createdAt} ${row.sizeBytes}\n${row.metadata}`, String(row.context));
      }
      return;
    }
    case "thread":
      writeThread(rows, args);
      return;
    case "item": {
      const items = ofKind(rows, "item");
      args.push(items.length);
      for (const { row } of items) args.push(itemHeader(row.item), row.item.value, row.item.expiresAt ?? "-");
    }
  }
}

function writeSession(rows: readonly ImportRow[], args: RedisArgument[]): void {
  const session = ofKind(rows, "session")[0]?.row;
  if (session === undefined) args.push(0, "");
  else {
    const { createdAt, updatedAt } = session.session;
    const fields = sessionFields({ ...session.session, messageCount: 0 });
    args.push(fields.length + 4, "c", createdAt, "a", updatedAt, ...fields, session.contextId ?? "");
  }
  const messages = ofKind(rows, "message");
  args.push(messages.length);
  for (const { row, position } of messages) {
    const { seq, messageId, role, timestamp, metadata, content } = row.message;
    args.push(position, seq, messageId, role, timestamp, `${metadata}\n${content}`);
  }
}

function writeThread(rows: readonly ImportRow[], args: RedisArgument[]): void {
  const thread = ofKind(rows, "thread")[0]?.row;
  if (thread === undefined) args.push(0);
  else args.push(4, thread.sessionId ?? "", thread.createdAt, thread.updatedAt, thread.lastSeq);
  const checkpoints = ofKind(rows, "checkpoint");
  args.push(checkpoints.length);
  for (const { row, position } of checkpoints) {
    const state = splitState(String(row.data));
    const parts = rowParts(row, state);
    const blocks = [...state.newBlocks(() => false)];
    args.push(
      position,
      placeOf(row.namespace, row.checkpointId),
      row.seq,
      row.createdAt,
      parts.sizeBytes,
      parts.needsParent ? "1" : "0",
      parts.root ?? "-",
      parts.links,
      parts.metadata,
      parts.manifest,
      row.needsParent && row.parentId !== null ? row.parentId : "",
      blocks.length,
    );
    for (const block of blocks) args.push(Buffer.from(block.name, "hex"), packBlock(block));
  }
  const writes = ofKind(rows, "write");
  args.push(writes.length);
  for (const { row } of writes) {
    const [name, value] = packWrite(row.write);
    args.push(`${placeOf(row.namespace, row.checkpointId)}\0${name}`, value);
  }
}

/** Rows of one kind with their places in the group. */
function ofKind<Kind extends ImportRow["kind"]>(
  rows: readonly ImportRow[],
  kind: Kind,
): { readonly row: RowOf<Kind>; readonly position: number }[] {
  return rows.flatMap((row, position) => (row.kind === kind ? [{ row: row as RowOf<Kind>, position }] : []));
}
