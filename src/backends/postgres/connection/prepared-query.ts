/**
 * A prepared statement on its way, as `pg` lets a query be brought along (`submit`). It takes less than a query of `pg`: the server
 * describes the columns of a statement when a connection prepares it, and not each time; and nothing else stands between the rows and
 * whoever waits for them.
 */
import { Buffer } from "node:buffer";
import type { PgClient, PgSubmittable } from "./pg-module.js";
import { ROW_VALUES } from "./row-values.js";
import type { SqlValue } from "./sql.js";

/** A text that is prepared under a name, and the columns that it was last said to give. */
export interface Prepared {
  readonly text: string;
  readonly name: string | undefined;
  columns: Columns | undefined;
}

interface Columns {
  readonly names: readonly string[];
  readonly parsers: readonly ((value: never) => unknown)[];
}

/** The part of a connection of `pg` that sends messages. */
interface Wire {
  readonly stream: { cork?(): void; uncork?(): void };
  readonly parsedStatements: { readonly [name: string]: string | undefined };
  /** Sent, and not yet answered. Older ones have none, as they wait for each answer. */
  readonly submittedNamedStatements?: { [name: string]: string | undefined };
  parse(message: { readonly text: string; readonly name: string }): void;
  bind(message: { readonly statement: string; readonly values: readonly unknown[] }): void;
  describe(message: { readonly type: "P"; readonly name: "" }): void;
  execute(message: { readonly portal: "" }): void;
  sync(): void;
}

type PreparedName = Prepared & { readonly name: string };

class PreparedQuery {
  readonly text: string;
  readonly name: string;
  /** `pg` has a timer of its own where it was told so, and ends it by this. */
  callback: ((error: Error | null) => void) | undefined;
  readonly #statement: PreparedName;
  readonly #values: readonly SqlValue[];
  readonly #resolve: (rows: unknown[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #rows: unknown[] = [];
  #columns: Columns | undefined;
  #failure: Error | undefined;

  constructor(
    statement: PreparedName,
    values: readonly SqlValue[],
    resolve: (rows: unknown[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.text = statement.text;
    this.name = statement.name;
    this.#statement = statement;
    this.#values = values;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(wire: Wire): Error | null {
    const { text, name } = this;
    const { columns } = this.#statement;
    const values = this.#values.map(wireValue);
    const isPrepared = wire.parsedStatements[name] !== undefined || wire.submittedNamedStatements?.[name] !== undefined;
    wire.stream.cork?.();
    try {
      if (!isPrepared) {
        wire.parse({ text, name });
        if (wire.submittedNamedStatements !== undefined) wire.submittedNamedStatements[name] = text;
      }
      wire.bind({ statement: name, values });
      // A text that is prepared anew may give other columns than it did, when the schema was changed.
      if (isPrepared && columns !== undefined) this.#columns = columns;
      else wire.describe({ type: "P", name: "" });
      wire.execute({ portal: "" });
      wire.sync();
    } finally {
      wire.stream.uncork?.();
    }
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.#columns = {
      names: fields.map(({ name }) => name),
      parsers: fields.map(({ dataTypeID }) => ROW_VALUES.getTypeParser(dataTypeID)),
    };
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#columns === undefined) {
      this.#failure ??= new Error("the server gave a row of columns that it has not described");
      return;
    }
    const { names, parsers } = this.#columns;
    const row: { [name: string]: unknown } = {};
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as string | null;
      row[names[i] as string] = field === null ? null : parsers[i]?.(field as never);
    }
    this.#rows.push(row);
  }

  handleCommandComplete(): void {
    this.#columns ??= NO_COLUMNS;
  }

  handleReadyForQuery(): void {
    if (this.#failure !== undefined) {
      this.handleError(this.#failure);
      return;
    }
    this.#statement.columns = this.#columns;
    this.callback?.(null);
    this.#resolve(this.#rows);
  }

  handleError(error: Error): void {
    this.callback?.(error);
    this.#reject(error);
  }

  /** None of these is an answer to what is sent here. */
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}

const NO_COLUMNS: Columns = { names: [], parsers: [] };

/** Makes a query for a statement; `undefined` for clients that take none but their own. */
export type MakeQuery = (
  statement: PreparedName,
  values: readonly SqlValue[],
  resolve: (rows: unknown[]) => void,
  reject: (error: unknown) => void,
) => PgSubmittable;

const MAKERS = new WeakMap<object, MakeQuery>();

/** How queries are brought to a client: one of `pg` that pipelines takes those alone that are instances of its own class. */
export function queriesOf(client: PgClient): MakeQuery | undefined {
  const { connection } = client as { readonly connection?: object };
  const { Query } = client.constructor as { readonly Query?: unknown };
  if (typeof Query !== "function" || connection === undefined) return undefined;
  if (!MESSAGES.every((name) => typeof connection[name as keyof typeof connection] === "function")) return undefined;
  let make = MAKERS.get(Query);
  if (make === undefined) {
    make = makerFor(Query as new () => object);
    MAKERS.set(Query, make);
  }
  return make;
}

const MESSAGES = ["parse", "bind", "describe", "execute", "sync"];

function makerFor(Query: new () => object): MakeQuery {
  function Bound(): void {}
  Bound.prototype = Object.create(Query.prototype, Object.getOwnPropertyDescriptors(PreparedQuery.prototype));
  return (...of) => Reflect.construct(PreparedQuery, of, Bound) as PreparedQuery;
}

/** A parameter as it travels: bytes as they are, all else as text. */
function wireValue(value: SqlValue): string | Buffer | null {
  if (typeof value === "string") return value;
  if (value === null) return null;
  if (typeof value !== "object") return String(value);
  if (value instanceof Uint8Array) {
    return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return `{${value.map(arrayElement).join(",")}}`;
}

function arrayElement(value: string | number | boolean | null): string {
  if (value === null) return "NULL";
  return typeof value === "string" ? `"${value.replace(/["\\]/g, "\\$&")}"` : String(value);
}
