/** Functions of schema version 1. */

/** Bytes of blocks that come as one value: more would hold the reader's event loop, and fewer are more rows. */
const BYTES_TOGETHER = 256 * 1024;

/**
 * The blocks of the state of a tenant and thread from its root down, each once, as values that hold many: the name, four bytes for the length, the block. A statement
 * that calls it costs next to nothing where there is no root, which a recursive query inside of it would not. The lateral parts keep the
 * server on the key: one look-up a name. It reads with the rights of whoever calls it.
 */
export const FUNCTIONS: string = `
CREATE FUNCTION @blocks_of_state(text, text, bytea) RETURNS SETOF bytea
LANGUAGE plpgsql STABLE STRICT COST 10000 ROWS 10 AS $waystone$
BEGIN
  RETURN QUERY WITH RECURSIVE tree (name) AS (
      SELECT $3
      UNION
      SELECT child FROM tree, LATERAL (SELECT children FROM @checkpoint_blocks b WHERE b.tenant = $1
          AND b.thread_id = $2 AND b.name = tree.name AND children IS NOT NULL OFFSET 0) b,
        unnest(b.children) AS below (child))
    SELECT string_agg(all_of.name || int4send(length(data)) || data, ''::bytea ORDER BY place)
    FROM (
      SELECT b.name, data, row_number() OVER () AS place,
        sum(length(data)) OVER (ROWS UNBOUNDED PRECEDING) / ${BYTES_TOGETHER} AS part
      FROM tree, LATERAL (SELECT o.name, data FROM @checkpoint_blocks o WHERE o.tenant = $1 AND o.thread_id = $2
        AND o.name = tree.name OFFSET 0) b) all_of
    GROUP BY part ORDER BY part;
END $waystone$;
`;
