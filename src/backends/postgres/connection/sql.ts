/** SQL with its parameters: text is written in the source, values never become part of it. */

/** What a statement may carry. */
export type SqlValue = string | number | boolean | null | Uint8Array | readonly (string | number | boolean | null)[];

/** A statement, or a part of one. Tables are named `@sessions`: the storage knows in which schema they are. */
export class Sql {
  /** Nothing that looks like one is taken for one. */
  declare private readonly brand: never;
  /** One more than there are values. */
  readonly texts: readonly string[];
  readonly values: readonly SqlValue[];

  constructor(texts: readonly string[], values: readonly SqlValue[]) {
    this.texts = texts;
    this.values = values;
  }
}

/** Makes a statement of a template; a value that is SQL itself becomes part of the text with its own values. */
export function sql(texts: TemplateStringsArray, ...values: (SqlValue | Sql)[]): Sql {
  if (!values.some((value) => value instanceof Sql)) return new Sql(texts, values as SqlValue[]);
  const flatTexts: string[] = [texts[0] as string];
  const flatValues: SqlValue[] = [];
  for (const [i, value] of values.entries()) {
    const next = texts[i + 1] as string;
    const last = flatTexts.length - 1;
    if (!(value instanceof Sql)) {
      flatValues.push(value);
      flatTexts.push(next);
      continue;
    }
    flatTexts[last] += value.texts[0] as string;
    flatTexts.push(...value.texts.slice(1));
    flatValues.push(...value.values);
    flatTexts[flatTexts.length - 1] += next;
  }
  return new Sql(flatTexts, flatValues);
}

/** The text with numbered parameters. */
export function numbered({ texts }: Sql): string {
  let text = texts[0] as string;
  for (let i = 1; i < texts.length; i++) text += `$${i}${texts[i]}`;
  return text;
}

/** A name in double quotes. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
