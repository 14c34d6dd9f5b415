/**
 * Row-level security: the server shows and takes rows of the transaction's tenant alone, whatever a statement asks for. It binds the
 * owner of the tables too; it does not bind a superuser or a role with BYPASSRLS.
 */
import { type Sql, sql } from "../connection/sql.js";

/** The first server whose views look at tables with the rights of whoever asks. */
export const LEAST_SERVER_VERSION = 150_000;

const TABLES_WITH_TENANT = `SELECT c.oid FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
      WHERE c.relnamespace = @:namespace AND c.relkind IN ('r', 'p')`;

const HAS_POLICY = "EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'waystone_tenant')";

/**
 * Puts a policy on every table that has none yet. Partitions are tables too: somebody may read one without its parent. A
 * transaction that says no tenant gets an error, not an empty answer.
 */
export const GUARD_ROWS: string = `DO $waystone$
DECLARE
  each regclass;
  belongs text := 'tenant = current_setting(''waystone.tenant'')';
BEGIN
  FOR each IN ${TABLES_WITH_TENANT} AND NOT ${HAS_POLICY} LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', each);
    EXECUTE format('CREATE POLICY waystone_tenant ON %s USING (%s) WITH CHECK (%s)', each, belongs, belongs);
  END LOOP;
  FOR each IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = @:namespace AND c.relkind = 'v' LOOP
    EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', each);
  END LOOP;
END $waystone$;
`;

/** How many tables hold rows of tenants, and how many of these are guarded. */
export const COUNT_GUARDED: Sql = sql`SELECT count(*) AS tables, count(*) FILTER (
      WHERE c.relrowsecurity AND c.relforcerowsecurity
        AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'waystone_tenant')) AS guarded
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
    WHERE c.relnamespace = @:namespace AND c.relkind IN ('r', 'p')`;
