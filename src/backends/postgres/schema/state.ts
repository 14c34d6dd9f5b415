/** What a database has of the schema, and what of it is still to be done. Only reads. */
import { UnsupportedError } from "../../../contract/errors.js";
import { type Sql, sql } from "../connection/sql.js";
import { MIGRATIONS, SCHEMA_VERSION } from "./migrations.js";
import { COUNT_GUARDED, LEAST_SERVER_VERSION } from "./row-security.js";

/** How the caller wants the schema; `undefined` is as it is. */
export interface WantedSchema {
  /** As it is written in SQL. */
  readonly schema: string;
  readonly partitions: number | undefined;
  readonly rls: boolean | undefined;
}

export interface SchemaState {
  /** 0 for none. */
  readonly version: number;
  readonly hasNamespace: boolean;
  readonly partitions: number;
  /** Tables with rows of tenants, those that are guarded, and whether the user of this connection is bound by that. */
  readonly tables: number;
  readonly guarded: number;
  readonly binds: boolean;
}

interface Found extends Omit<SchemaState, "version"> {
  readonly versions: string | null;
  readonly encoding: string;
  readonly serverVersion: number;
}

type Query = <Row>(statement: Sql) => Promise<Row[]>;

/** @throws UnsupportedError for a database or a schema that this version of the package cannot work with */
export async function readSchema(query: Query, wanted: WantedSchema): Promise<SchemaState> {
  const [found] = await query<Found>(
    sql`SELECT to_regclass('@:schema.schema_version')::text AS versions, @:namespace IS NOT NULL AS "hasNamespace",
      current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS "serverVersion",
      (SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass('@:schema.messages')) AS partitions, g.tables, g.guarded,
      coalesce(row_security_active(to_regclass('@:schema.sessions')::oid), false) AS binds
    FROM (${COUNT_GUARDED}) g`,
  );
  if (found === undefined) throw new Error("a state without a row");
  if (found.encoding !== "UTF8") {
    throw new UnsupportedError(`the database must be encoded as UTF8, and it is ${found.encoding}`);
  }
  if (wanted.rls === true && found.serverVersion < LEAST_SERVER_VERSION) {
    throw new UnsupportedError("row-level security needs PostgreSQL 15 or newer");
  }
  const { hasNamespace, partitions, tables, guarded, binds } = found;
  const state = { version: 0, hasNamespace, partitions, tables, guarded, binds };
  if (found.versions === null) return state;
  const [row] = await query<{ version: number | null }>(sql`SELECT max(version) AS version FROM @schema_version`);
  const read = { ...state, version: row?.version ?? 0 };
  refuseOther(read, wanted);
  return read;
}

/** What is chosen when a schema is made, or would hide rows from somebody. */
function refuseOther({ version, partitions, guarded }: SchemaState, wanted: WantedSchema): void {
  const { schema } = wanted;
  if (version > SCHEMA_VERSION) {
    throw new UnsupportedError(
      `the schema ${schema} has version ${version}, and this version of the package knows ${SCHEMA_VERSION}: update the package`,
    );
  }
  if (version > 0 && wanted.partitions !== undefined && wanted.partitions !== partitions) {
    throw new UnsupportedError(
      `the schema ${schema} has ${partitions} partitions, not ${wanted.partitions}: they are chosen when a schema is made; export, and import into another one`,
    );
  }
  if (wanted.rls === false && guarded > 0) {
    throw new UnsupportedError(`the schema ${schema} has row-level security: leave rls out, or say true`);
  }
}

/** Whether the storage has to say its tenant. */
export function isGuarded({ guarded }: SchemaState, { rls }: WantedSchema): boolean {
  return rls === true || guarded > 0;
}

/** What is to be done, in words. */
export function pendingSteps(state: SchemaState, wanted: WantedSchema): string[] {
  const steps = MIGRATIONS.slice(state.version).map(({ name }, i) => `version ${state.version + i + 1}: ${name}`);
  const isWhole = steps.length === 0 && state.guarded === state.tables;
  return isGuarded(state, wanted) && !isWhole ? [...steps, "row-level security"] : steps;
}
