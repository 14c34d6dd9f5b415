/** Statements as `pg` takes them: tables in the storage's schema, and a name for those that the server keeps prepared. */
import { createHash } from "node:crypto";
import type { Prepared } from "./prepared-query.js";
import { numbered, quotedName, Sql, type SqlValue } from "./sql.js";

/** Most statements that each connection keeps prepared, and most texts that are remembered: filters have any number of shapes. */
const MOST_PREPARED = 1_000;

/** A statement with its parameters in their places. */
export interface Bound {
  /** Without a name where statements are not to be prepared, and for one too many. */
  readonly statement: Prepared;
  readonly values: SqlValue[];
}

/**
 * A place in the tree of texts that were made: below each template, with the number of values before it, those that followed. A text is
 * found by the templates it is made of, which costs less than making it again.
 */
class Step {
  readonly #next = new Map<readonly string[], Step[]>();
  prepared: Prepared | undefined;

  to(template: readonly string[], valuesBefore: number): Step {
    let steps = this.#next.get(template);
    if (steps === undefined) {
      steps = [];
      this.#next.set(template, steps);
    }
    steps[valuesBefore] ??= new Step();
    return steps[valuesBefore];
  }
}

export class Statements {
  readonly #schema: string;
  readonly #prepared: boolean;
  readonly #names = new Set<string>();
  /** Where the extension `vector` is. */
  #vectorSchema = "";
  #texts = new Step();
  #textCount = 0;

  constructor(schema: string, prepared: boolean) {
    this.#schema = quotedName(schema);
    this.#prepared = prepared;
  }

  /** Says in which schema the extension `vector` is: until then no statement names it. */
  useVectors(schema: string): void {
    this.#vectorSchema = quotedName(schema);
  }

  of(statement: Sql): Bound {
    const values: SqlValue[] = [];
    const place = placeOf(statement, this.#texts, values);
    place.prepared ??= this.#learn(statement);
    return { statement: place.prepared, values };
  }

  /**
   * The text with every `@table` in the schema, and `@pgvector.name` in that of the extension; `@:schema` is the schema's name, also inside a literal, and `@:namespace` its number
   * in the catalogue, NULL when it is not there.
   */
  inSchema(text: string): string {
    const quoted = this.#schema.replaceAll("'", "''");
    return text
      .replaceAll("@:namespace", "to_regnamespace('@:schema')")
      .replace(/(')?@(:schema|[a-z_][a-z_0-9]*)/g, (_, quote: string | undefined, name: string) => {
        if (name === "pgvector") return this.#vectorSchema;
        const schema = quote === undefined ? this.#schema : `'${quoted}`;
        return name === ":schema" ? schema : `${schema}.${name}`;
      });
  }

  #learn(statement: Sql): Prepared {
    this.#textCount += 1;
    if (this.#textCount > MOST_PREPARED) {
      this.#texts = new Step();
      this.#textCount = 0;
    }
    const text = this.inSchema(numbered(statement));
    const name = `waystone_${createHash("sha256").update(text).digest("base64url").slice(0, 24)}`;
    if (this.#prepared && this.#names.size < MOST_PREPARED) this.#names.add(name);
    return { text, name: this.#names.has(name) ? name : undefined, columns: undefined };
  }
}

function placeOf({ texts, parts }: Sql, before: Step, values: SqlValue[]): Step {
  let place = before.to(texts, values.length);
  for (const part of parts) {
    if (part instanceof Sql) place = placeOf(part, place, values);
    else values.push(part);
  }
  return place;
}
