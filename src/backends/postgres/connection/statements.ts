/** Statements as `pg` takes them: tables in the storage's schema, and a name for those that the server keeps prepared. */
import { createHash } from "node:crypto";
import type { PgStatement } from "./pg-module.js";
import { ROW_VALUES } from "./row-values.js";
import { numbered, quotedName, type Sql } from "./sql.js";

export class Statements {
  readonly #schema: string;
  readonly #prepared: boolean;
  readonly #known = new Map<string, { readonly text: string; readonly name: string }>();

  constructor(schema: string, prepared: boolean) {
    this.#schema = quotedName(schema);
    this.#prepared = prepared;
  }

  of(statement: Sql): PgStatement {
    const template = numbered(statement);
    let known = this.#known.get(template);
    if (known === undefined) {
      const text = this.inSchema(template);
      const name = `waystone_${createHash("sha256").update(text).digest("base64url").slice(0, 24)}`;
      known = { text, name };
      this.#known.set(template, known);
    }
    const { text, name } = known;
    const values = [...statement.values];
    return this.#prepared && values.length > 0
      ? { text, name, values, types: ROW_VALUES }
      : { text, values, types: ROW_VALUES };
  }

  /**
   * The text with every `@table` in the schema; `@:schema` is the schema's name, also inside a literal, and `@:namespace` its number
   * in the catalogue, NULL when it is not there.
   */
  inSchema(text: string): string {
    const quoted = this.#schema.replaceAll("'", "''");
    return text
      .replaceAll("@:namespace", "to_regnamespace('@:schema')")
      .replace(/(')?@(:schema|[a-z_][a-z_0-9]*)/g, (_, quote: string | undefined, name: string) => {
        const schema = quote === undefined ? this.#schema : `'${quoted}`;
        return name === ":schema" ? schema : `${schema}.${name}`;
      });
  }
}
