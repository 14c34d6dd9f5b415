/**
 * Tables of schema version 1. Sessions, threads and contexts have numbers that are never given twice (AUTOINCREMENT): what
 * belongs to them is reached through the number alone, so that deleting one row takes all of it out of sight at once. Columns
 * that may be large stand last, where a read that does not want them does not touch their pages.
 */
export const TABLES = `
CREATE TABLE tenants (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  last_lease_token INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ttl_ms INTEGER,
  version INTEGER NOT NULL,
  request_count INTEGER NOT NULL,
  total_processing_time REAL NOT NULL,
  error_count INTEGER NOT NULL,
  message_count INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  context INTEGER,
  -- messages between these are deleted and not all swept yet
  gap_after INTEGER,
  gap_before INTEGER,
  metadata TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (tenant, session_id);
CREATE INDEX sessions_by_created ON sessions (tenant, created_at, session_id);
CREATE INDEX sessions_by_updated ON sessions (tenant, updated_at, session_id);
CREATE INDEX sessions_by_user_created ON sessions (tenant, user_id, created_at, session_id);
CREATE INDEX sessions_by_user_updated ON sessions (tenant, user_id, updated_at, session_id);
CREATE INDEX sessions_by_expiry ON sessions (tenant, updated_at + ttl_ms) WHERE ttl_ms IS NOT NULL;
CREATE INDEX sessions_by_context ON sessions (context) WHERE context IS NOT NULL;

CREATE TABLE idempotency_keys (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  result TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_keys_by_key ON idempotency_keys (session, key);
CREATE INDEX idempotency_keys_by_created ON idempotency_keys (session, created_at);

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  -- 1: found by the index of ids; 0: the id says the seq itself
  id_indexed INTEGER NOT NULL,
  role TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  checksum INTEGER,
  metadata TEXT NOT NULL,
  content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_seq ON messages (session, seq);
CREATE UNIQUE INDEX messages_by_message_id ON messages (session, message_id) WHERE id_indexed = 1;

-- which messages are of a role; the newest messages of a session are not in it yet
CREATE TABLE message_roles (
  session INTEGER NOT NULL,
  role TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (session, role, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE contexts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  context_id TEXT NOT NULL,
  newest_version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX contexts_by_id ON contexts (tenant, context_id);

CREATE TABLE context_versions (
  id INTEGER PRIMARY KEY,
  context INTEGER NOT NULL,
  version INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  checksum INTEGER,
  metadata TEXT NOT NULL,
  content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX context_versions_by_version ON context_versions (context, version);

CREATE TABLE threads (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  thread_id TEXT NOT NULL,
  session INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  checkpoint_count INTEGER NOT NULL,
  -- blocks that may be needed no more, and those that were left by the sweep before
  loose_blocks INTEGER NOT NULL DEFAULT 0,
  kept_blocks INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX threads_by_id ON threads (tenant, thread_id);
CREATE INDEX threads_by_created ON threads (tenant, created_at, thread_id);
CREATE INDEX threads_by_updated ON threads (tenant, updated_at, thread_id);
CREATE INDEX threads_by_session_created ON threads (session, created_at, thread_id) WHERE session IS NOT NULL;
CREATE INDEX threads_by_session_updated ON threads (session, updated_at, thread_id) WHERE session IS NOT NULL;

CREATE TABLE checkpoints (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  parent_id TEXT,
  session_id TEXT,
  needs_parent INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  metadata TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX checkpoints_by_id ON checkpoints (thread, namespace, checkpoint_id);
CREATE UNIQUE INDEX checkpoints_by_seq ON checkpoints (thread, seq);
CREATE UNIQUE INDEX checkpoints_by_namespace ON checkpoints (thread, namespace, seq);

CREATE TABLE checkpoint_states (
  checkpoint INTEGER PRIMARY KEY,
  checksum INTEGER,
  -- 0: the data is all of the state; else one more than the blocks that it brought to its thread
  leaves INTEGER NOT NULL,
  -- the state, or a line that begins with @ and names the root of its blocks
  data TEXT NOT NULL
) STRICT;

-- pieces of states and nodes over them, by the first half of the SHA-256 of what they hold
CREATE TABLE checkpoint_blocks (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  name BLOB NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX checkpoint_blocks_by_name ON checkpoint_blocks (thread, name);

CREATE TABLE checkpoint_writes (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  task_path TEXT NOT NULL,
  channel TEXT NOT NULL,
  checksum INTEGER,
  -- a long one is compacted, a BLOB
  value ANY NOT NULL CHECK (typeof(value) IN ('text', 'blob'))
) STRICT;
CREATE UNIQUE INDEX checkpoint_writes_by_task
  ON checkpoint_writes (thread, namespace, checkpoint_id, task_id, idx);

CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  -- each label as UTF-8 and a zero byte: whole labels are prefixes, bytes are ordered by code point
  namespace BLOB NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ttl_ms INTEGER,
  expires_at INTEGER,
  -- the row of its vectors
  vectors INTEGER,
  checksum INTEGER,
  value TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_by_key ON items (tenant, namespace, key);
CREATE INDEX items_by_expiry ON items (tenant, expires_at) WHERE expires_at IS NOT NULL;

-- all vectors of an item; another row whenever they change, with a number that is never given twice
CREATE TABLE item_vectors (
  change INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL,
  item INTEGER NOT NULL,
  dimensions INTEGER NOT NULL,
  checksum INTEGER,
  -- 32-bit floats, little-endian, one vector after the other
  data BLOB NOT NULL
) STRICT;
CREATE INDEX item_vectors_by_tenant ON item_vectors (tenant);
CREATE TRIGGER items_leave_no_vectors AFTER DELETE ON items WHEN old.vectors IS NOT NULL BEGIN
  DELETE FROM item_vectors WHERE change = old.vectors;
END;

-- of the vectors below a first label
CREATE TABLE item_dimensions (
  tenant INTEGER NOT NULL,
  label TEXT NOT NULL,
  dimensions INTEGER NOT NULL,
  PRIMARY KEY (tenant, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
  id INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  token INTEGER NOT NULL,
  owner TEXT NOT NULL,
  ttl_ms INTEGER NOT NULL,
  acquired_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX leases_by_subject ON leases (tenant, kind, subject_id);

-- what is out of sight already and still takes space; a batch is what one deletion left
CREATE TABLE garbage (
  id INTEGER PRIMARY KEY,
  batch INTEGER NOT NULL,
  kind TEXT NOT NULL,
  ref INTEGER NOT NULL
) STRICT;
CREATE INDEX garbage_by_batch ON garbage (batch);
`;
