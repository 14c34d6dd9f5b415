/** Views for people at the sqlite3 shell: names instead of numbers, instants instead of milliseconds. No code reads them. */

const instant = (column: string): string => `strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`;

/** The text of a row. */
type TextOf = (row: string, column: string) => string;

const inRow: TextOf = (row, column) => `${row}.${column}`;

/** Also one that is kept in pieces. */
const inRowOrPieces: TextOf = (
  row,
  column,
) => `CASE WHEN ${row}.long IS NULL OR ${row}.${column} <> '' THEN ${row}.${column}
    ELSE (SELECT group_concat(data, '') FROM (SELECT data FROM text_pieces WHERE text = ${row}.long ORDER BY idx)) END`;

const messages = (textOf: TextOf): string => `CREATE VIEW messages_view AS
SELECT n.name AS tenant, s.session_id, m.seq, m.role, ${textOf("m", "content")} AS content, m.message_id,
  ${instant("m.timestamp")} AS timestamp, m.metadata
FROM messages m JOIN sessions s ON s.id = m.session JOIN tenants n ON n.id = s.tenant
WHERE s.gap_after IS NULL OR m.seq <= s.gap_after OR m.seq >= s.gap_before;
`;

const taskContexts = (textOf: TextOf): string => `CREATE VIEW task_contexts_view AS
SELECT n.name AS tenant, s.session_id, c.context_id, v.version, ${textOf("v", "content")} AS content,
  ${instant("v.created_at")} AS created_at, v.size_bytes, v.metadata
FROM context_versions v JOIN contexts c ON c.id = v.context JOIN tenants n ON n.id = c.tenant
  JOIN sessions s ON s.context = c.id;
`;

const writes = (textOf: TextOf): string => `CREATE VIEW checkpoint_writes_view AS
SELECT n.name AS tenant, t.thread_id, w.namespace, w.checkpoint_id, w.task_path, w.task_id, w.idx, w.channel,
  CASE typeof(w.value) WHEN 'text' THEN ${textOf("w", "value")} END AS value
FROM checkpoint_writes w JOIN threads t ON t.id = w.thread JOIN tenants n ON n.id = t.tenant;
`;

const items = (textOf: TextOf): string => `CREATE VIEW items_view AS
SELECT n.name AS tenant,
  (WITH RECURSIVE labels (position, label, rest) AS (
     SELECT 0, NULL, i.namespace
     UNION ALL
     SELECT position + 1, CAST(substr(rest, 1, instr(rest, x'00') - 1) AS TEXT), substr(rest, instr(rest, x'00') + 1)
     FROM labels WHERE length(rest) > 0)
   SELECT json_group_array(label) FROM (SELECT label FROM labels WHERE position > 0 ORDER BY position)) AS namespace,
  i.key, ${textOf("i", "value")} AS value, i.version, ${instant("i.created_at")} AS created_at, ${instant("i.updated_at")} AS updated_at,
  ${instant("i.expires_at")} AS expires_at
FROM items i JOIN tenants n ON n.id = i.tenant;
`;

/** Of version 1. */
export const VIEWS: string = `
CREATE VIEW sessions_view AS
SELECT n.name AS tenant, s.session_id, s.user_id, s.status,
  ${instant("s.created_at")} AS created_at, ${instant("s.updated_at")} AS updated_at,
  ${instant("(s.updated_at + s.ttl_ms)")} AS expires_at,
  s.version, s.request_count, s.total_processing_time, s.error_count, s.message_count, s.last_seq,
  c.context_id, s.metadata
FROM sessions s JOIN tenants n ON n.id = s.tenant LEFT JOIN contexts c ON c.id = s.context;

${messages(inRow)}
${taskContexts(inRow)}
CREATE VIEW threads_view AS
SELECT n.name AS tenant, t.thread_id, s.session_id, t.checkpoint_count,
  ${instant("t.created_at")} AS created_at, ${instant("t.updated_at")} AS updated_at
FROM threads t JOIN tenants n ON n.id = t.tenant LEFT JOIN sessions s ON s.id = t.session;

CREATE VIEW checkpoints_view AS
SELECT n.name AS tenant, t.thread_id, k.namespace, k.checkpoint_id, k.seq, k.parent_id, k.session_id, k.needs_parent,
  ${instant("k.created_at")} AS created_at, k.size_bytes, k.metadata, CASE WHEN d.leaves = 0 THEN d.data END AS data
FROM checkpoints k JOIN threads t ON t.id = k.thread JOIN tenants n ON n.id = t.tenant
  LEFT JOIN checkpoint_states d ON d.checkpoint = k.id;

${writes(inRow)}
${items(inRow)}
CREATE VIEW leases_view AS
SELECT n.name AS tenant, l.kind, l.subject_id, l.token, l.owner,
  ${instant("l.acquired_at")} AS acquired_at, ${instant("l.expires_at")} AS expires_at
FROM leases l JOIN tenants n ON n.id = l.tenant;
`;

/** In the place of those of version 1. */
export const VIEWS_OF_LONG_TEXTS: string = `
DROP VIEW messages_view;
DROP VIEW task_contexts_view;
DROP VIEW checkpoint_writes_view;
DROP VIEW items_view;
${messages(inRowOrPieces)}
${taskContexts(inRowOrPieces)}
${writes(inRowOrPieces)}
${items(inRowOrPieces)}`;
