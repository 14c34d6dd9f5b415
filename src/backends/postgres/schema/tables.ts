/**
 * Tables of schema version 1. Every key leads with the tenant, then the session or thread: whatever a server spreads rows by,
 * one session or thread stays together. Strings are ordered by code point (`COLLATE "C"`), whatever the database's language is.
 * What is given back as it came is text; what is filtered is `jsonb`.
 */
const ID = 'text COLLATE "C" NOT NULL';
const OPTIONAL_ID = 'text COLLATE "C"';

/**
 * Tables that are spread over partitions where a schema has them, and by what: the leading keys. They hold what grows with use. The heads
 * (sessions, threads, contexts, leases) stay whole: statements look them up from one another, where the server would have to plan
 * for every partition each time.
 */
const SPREAD: { readonly [table: string]: string } = {
  idempotency_keys: "tenant, session_id",
  messages: "tenant, session_id",
  context_versions: "tenant, context_id",
  checkpoints: "tenant, thread_id",
  checkpoint_blocks: "tenant, thread_id",
  checkpoint_writes: "tenant, thread_id",
  items: "tenant, item_id",
};

/**
 * An index that answers for one row by its whole key comes last in its table: before the server has counted a table, several indexes
 * seem as good as each other, and it takes the youngest. Another one would have it look through a whole session or thread.
 *
 * @param partitions how many each large table has; 0 for none
 */
export function tables(partitions: number): string {
  if (partitions === 0) return TABLES;
  const spread = TABLES.replaceAll(
    /^(CREATE TABLE @([a-z_]+) \([\s\S]*?\n\));/gm,
    (whole, table: string, name: string) => {
      const key = SPREAD[name];
      return key === undefined ? whole : `${table} PARTITION BY HASH (${key});`;
    },
  );
  return `${spread}\n${Object.keys(SPREAD)
    .flatMap((table) =>
      Array.from(
        { length: partitions },
        (_, i) =>
          `CREATE TABLE @${table}_${i} PARTITION OF @${table} FOR VALUES WITH (MODULUS ${partitions}, REMAINDER ${i});`,
      ),
    )
    .join("\n")}\n`;
}

const TABLES = `
CREATE TABLE @tenants (
  tenant ${ID},
  last_lease_token bigint NOT NULL,
  PRIMARY KEY (tenant)
);

CREATE TABLE @sessions (
  tenant ${ID},
  session_id ${ID},
  user_id ${ID},
  status text NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  ttl_ms bigint,
  version bigint NOT NULL,
  request_count bigint NOT NULL,
  total_processing_time double precision NOT NULL,
  error_count bigint NOT NULL,
  message_count bigint NOT NULL,
  last_seq bigint NOT NULL,
  context_id ${OPTIONAL_ID},
  metadata jsonb NOT NULL,
  PRIMARY KEY (tenant, session_id)
);
CREATE INDEX sessions_by_created ON @sessions (tenant, created_at, session_id);
CREATE INDEX sessions_by_updated ON @sessions (tenant, updated_at, session_id);
CREATE INDEX sessions_by_user_created ON @sessions (tenant, user_id, created_at, session_id);
CREATE INDEX sessions_by_user_updated ON @sessions (tenant, user_id, updated_at, session_id);
CREATE INDEX sessions_by_expiry ON @sessions (tenant, (updated_at + ttl_ms)) WHERE ttl_ms IS NOT NULL;
CREATE INDEX sessions_by_context ON @sessions (tenant, context_id) WHERE context_id IS NOT NULL;
-- sessions without metadata, which are many and written often, are not in it
CREATE INDEX sessions_by_metadata ON @sessions USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}'::jsonb;

CREATE TABLE @idempotency_keys (
  tenant ${ID},
  session_id ${ID},
  key ${ID},
  digest text NOT NULL,
  created_at bigint NOT NULL,
  result text NOT NULL
);
CREATE INDEX idempotency_keys_by_created ON @idempotency_keys (tenant, session_id, created_at);
ALTER TABLE @idempotency_keys ADD PRIMARY KEY (tenant, session_id, key);

CREATE TABLE @messages (
  tenant ${ID},
  session_id ${ID},
  seq bigint NOT NULL,
  message_id ${ID},
  role ${ID},
  timestamp bigint NOT NULL,
  metadata text NOT NULL,
  content text NOT NULL,
  PRIMARY KEY (tenant, session_id, seq)
);
CREATE INDEX messages_by_role ON @messages (tenant, session_id, role, seq);
CREATE UNIQUE INDEX messages_by_id ON @messages (tenant, session_id, message_id);

CREATE TABLE @contexts (
  tenant ${ID},
  context_id ${ID},
  newest_version bigint NOT NULL,
  PRIMARY KEY (tenant, context_id)
);

CREATE TABLE @context_versions (
  tenant ${ID},
  context_id ${ID},
  version bigint NOT NULL,
  size_bytes bigint NOT NULL,
  created_at bigint NOT NULL,
  metadata text NOT NULL,
  content text NOT NULL,
  PRIMARY KEY (tenant, context_id, version)
);

CREATE TABLE @threads (
  tenant ${ID},
  thread_id ${ID},
  session_id ${OPTIONAL_ID},
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  last_seq bigint NOT NULL,
  checkpoint_count bigint NOT NULL,
  -- blocks that may be needed no more, and those that were left by the sweep before
  loose_blocks bigint NOT NULL,
  kept_blocks bigint NOT NULL,
  PRIMARY KEY (tenant, thread_id)
);
CREATE INDEX threads_by_created ON @threads (tenant, created_at, thread_id);
CREATE INDEX threads_by_updated ON @threads (tenant, updated_at, thread_id);
CREATE INDEX threads_by_session_created ON @threads (tenant, session_id, created_at, thread_id)
  WHERE session_id IS NOT NULL;
CREATE INDEX threads_by_session_updated ON @threads (tenant, session_id, updated_at, thread_id)
  WHERE session_id IS NOT NULL;

CREATE TABLE @checkpoints (
  tenant ${ID},
  thread_id ${ID},
  namespace ${ID},
  checkpoint_id ${ID},
  seq bigint NOT NULL,
  parent_id ${OPTIONAL_ID},
  session_id ${OPTIONAL_ID},
  needs_parent boolean NOT NULL,
  size_bytes bigint NOT NULL,
  created_at bigint NOT NULL,
  -- blocks that the state brought to its thread, which it may leave when it goes
  blocks bigint NOT NULL,
  -- the block that the state begins with; NULL when the manifest is the state itself
  root bytea,
  metadata jsonb NOT NULL,
  manifest text NOT NULL
);
CREATE UNIQUE INDEX checkpoints_by_seq ON @checkpoints (tenant, thread_id, seq);
CREATE UNIQUE INDEX checkpoints_by_namespace ON @checkpoints (tenant, thread_id, namespace, seq);
ALTER TABLE @checkpoints ADD PRIMARY KEY (tenant, thread_id, namespace, checkpoint_id);

-- pieces of states and nodes over them, by the first half of the SHA-256 of what they hold
CREATE TABLE @checkpoint_blocks (
  tenant ${ID},
  thread_id ${ID},
  name bytea NOT NULL,
  -- the names of the blocks below a node; NULL for a piece
  children bytea[],
  data bytea NOT NULL,
  PRIMARY KEY (tenant, thread_id, name)
);
-- they are compressed already
ALTER TABLE @checkpoint_blocks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE @checkpoint_writes (
  tenant ${ID},
  thread_id ${ID},
  namespace ${ID},
  checkpoint_id ${ID},
  task_id ${ID},
  idx bigint NOT NULL,
  task_path ${ID},
  channel text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (tenant, thread_id, namespace, checkpoint_id, task_id, idx)
);

CREATE TABLE @items (
  tenant ${ID},
  -- the first half of the SHA-256 of the place: a place may be longer than an index takes
  item_id bytea NOT NULL,
  -- each label as UTF-8 and a zero byte, then a zero byte and the key: bytes are ordered as labels and keys are
  place bytea NOT NULL,
  namespace text[] COLLATE "C" NOT NULL,
  key ${ID},
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  ttl_ms bigint,
  expires_at bigint,
  value jsonb NOT NULL,
  PRIMARY KEY (tenant, item_id)
);
-- the beginning of a place decides almost always
CREATE INDEX items_by_place ON @items (tenant, substring(place FROM 1 FOR 1024));
CREATE INDEX items_by_expiry ON @items (tenant, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE @leases (
  tenant ${ID},
  kind text COLLATE "C" NOT NULL,
  subject_id ${ID},
  token bigint NOT NULL,
  owner text NOT NULL,
  ttl_ms bigint NOT NULL,
  acquired_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (tenant, kind, subject_id)
);
`;
