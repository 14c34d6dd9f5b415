/** Views for people at `psql`: instants instead of milliseconds, namespaces as lists. No code reads them. */

const instant = (column: string): string => `to_timestamp(${column} / 1000.0) AT TIME ZONE 'UTC'`;

export const VIEWS: string = `
CREATE VIEW @sessions_view AS
SELECT tenant, session_id, user_id, status, ${instant("created_at")} AS created_at, ${instant("updated_at")} AS updated_at,
  ${instant("(updated_at + ttl_ms)")} AS expires_at, version, request_count, total_processing_time, error_count,
  message_count, last_seq, context_id, metadata
FROM @sessions;

CREATE VIEW @messages_view AS
SELECT tenant, session_id, seq, role, content::json AS content, message_id, ${instant("timestamp")} AS timestamp,
  metadata::json AS metadata
FROM @messages;

CREATE VIEW @task_contexts_view AS
SELECT v.tenant, s.session_id, v.context_id, v.version, v.content::json AS content, ${instant("v.created_at")} AS created_at, v.size_bytes,
  v.metadata::json AS metadata
FROM @context_versions v LEFT JOIN @sessions s ON s.tenant = v.tenant AND s.context_id = v.context_id;

CREATE VIEW @threads_view AS
SELECT tenant, thread_id, session_id, checkpoint_count, ${instant("created_at")} AS created_at,
  ${instant("updated_at")} AS updated_at
FROM @threads;

CREATE VIEW @checkpoints_view AS
SELECT tenant, thread_id, namespace, checkpoint_id, seq, parent_id, session_id, needs_parent,
  ${instant("created_at")} AS created_at, size_bytes, metadata, CASE WHEN root IS NULL THEN manifest::json END AS data
FROM @checkpoints;

CREATE VIEW @checkpoint_writes_view AS
SELECT tenant, thread_id, namespace, checkpoint_id, task_path, task_id, idx, channel, value::json AS value FROM @checkpoint_writes;

CREATE VIEW @items_view AS
SELECT tenant, namespace, key, value, version, ${instant("created_at")} AS created_at,
  ${instant("updated_at")} AS updated_at, ${instant("expires_at")} AS expires_at
FROM @items;

CREATE VIEW @leases_view AS
SELECT tenant, kind, subject_id, token, owner, ${instant("acquired_at")} AS acquired_at,
  ${instant("expires_at")} AS expires_at
FROM @leases;
`;
