/** SQL with its parameters: text is written in the source, values never become part of it. */

/** What a statement may carry. */
export type SqlValue = string | number | boolean | null | Uint8Array | readonly (string | number | boolean | null)[];

/** A statement, or a part of one. Tables are named `@sessions`: the storage knows in which schema they are. */
export class Sql {
  /** Nothing that looks like one is taken for one. */
  declare private readonly brand: never;
  /** The template's own: the same array whenever the same place in the source is reached. */
  readonly texts: readonly string[];
  /** One fewer than there are texts; what is SQL itself becomes part of the text. */
  readonly parts: readonly (SqlValue | Sql)[];

  constructor(texts: readonly string[], parts: readonly (SqlValue | Sql)[]) {
    this.texts = texts;
    this.parts = parts;
  }
}

/** Makes a statement of a template; a value that is SQL itself becomes part of the text with its own values. */
export function sql(texts: TemplateStringsArray, ...parts: (SqlValue | Sql)[]): Sql {
  return new Sql(texts, parts);
}

/** The text with numbered parameters. */
export function numbered(statement: Sql): string {
  let count = 0;
  const textOf = ({ texts, parts }: Sql): string => {
    let text = texts[0] as string;
    for (const [i, part] of parts.entries()) {
      text += part instanceof Sql ? textOf(part) : `$${++count}`;
      text += texts[i + 1];
    }
    return text;
  };
  return textOf(statement);
}

/** A name in double quotes. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
