/** The versions of the schema, and what leads from each to the next. */
import { FUNCTIONS } from "./functions.js";
import { tables } from "./tables.js";
import { VIEWS } from "./views.js";

/** How a schema is laid out. It is chosen when the schema is made. */
export interface SchemaShape {
  /** Hash partitions of each large table; 0 for none. */
  readonly partitions: number;
}

export interface Migration {
  /** What it brings, for people. */
  readonly name: string;
  script(shape: SchemaShape): string;
}

/** The first one begins with an empty schema. What was released never changes. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: "tables, indexes, functions and views",
    script: ({ partitions }) => tables(partitions) + FUNCTIONS + VIEWS,
  },
];

/** The version that this code reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

export const CREATE_VERSIONS =
  "CREATE TABLE @schema_version (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());";
