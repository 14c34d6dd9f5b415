/** Search by similarity (M5): one statement, in which pgvector compares. */
import type { VectorDistance } from "../../contract/item-storage.js";
import type { Call } from "../../domain/driver/call.js";
import type { NearestListing, ScoredItem } from "../../domain/driver/items.js";
import type { Rows } from "../../domain/driver/stored.js";
import { rootOf } from "../../domain/namespaces.js";
import { assertDimensions } from "../../domain/vectors.js";
import { Sql, sql } from "./connection/sql.js";
import { ITEM_COLUMNS, type ItemRow, placeBytes, toItem } from "./item-rows.js";
import { matching } from "./item-search.js";
import { selectDimensions, vectorBytes } from "./item-vectors.js";
import { MAX_INDEXED_DIMENSIONS } from "./schema/vector-tables.js";
import { NOTHING } from "./session-listing.js";
import type { Database, VectorSupport } from "./store.js";

type ScoredRow = ItemRow & { readonly score: number | null };

type IndexedRow = ScoredRow & { readonly id: Buffer };

/** Runs a statement, in a transaction or by itself. */
export type Query = <Row>(statement: Sql) => Promise<Row[]>;

/** A page of its own, and not one of the steps of a batch. */
export async function searchNearest(db: Database, call: Call, listing: NearestListing): Promise<Rows<ScoredItem>> {
  const now = db.now();
  const { tenant } = call;
  if (db.options.vectorSearch === "hnsw" && mayUseIndex(listing)) {
    const rows = await db.snapshot(call, (tx) => {
      if (scansOn(db.vectors)) tx.setting("hnsw.iterative_scan", "strict_order");
      return tx.query<IndexedRow>(selectByIndex(tenant, listing, now));
    });
    const page = pageOfIndex(rows, listing);
    if (page !== undefined) return page;
  }
  return nearestItems((statement) => db.read(call, statement), tenant, listing, now);
}

/** @throws InvalidArgumentError for a vector of another dimension than those below the first label have (M4) */
export async function nearestItems(
  query: Query,
  tenant: string,
  listing: NearestListing,
  now: number,
): Promise<Rows<ScoredItem>> {
  const { prefix, vector, limit } = listing;
  const rows = await query<ScoredRow>(selectNearest(tenant, listing, now));
  // One vector that could be compared shows that the dimension is the right one.
  if (prefix.length > 0 && !rows.some(({ score }) => score !== null)) {
    const root = rootOf({ namespace: prefix });
    const [declared] = await query<{ dimensions: number }>(selectDimensions(tenant, root));
    assertDimensions(root, declared?.dimensions, vector.length);
  }
  return { rows: rows.slice(0, limit).map(toScored), more: rows.length > limit };
}

function toScored({ score, ...row }: ScoredRow): ScoredItem {
  return { item: toItem(row), score };
}

/** Every vector below the prefix is compared, of the items that match the filter. */
function selectNearest(tenant: string, listing: NearestListing, now: number): Sql {
  const { unscored, minScore, limit, offset, vector, distance } = listing;
  const between = DISTANCES[distance](sql`v.embedding`, sql`${vectorBytes(vector)}::@pgvector.vector`);
  const candidates = sql`SELECT item_id, place ${matching(tenant, listing, now)}`;
  const without = sql`UNION ALL SELECT i.item_id, i.place, NULL FROM (${candidates}) i
    WHERE NOT EXISTS (SELECT 1 FROM @item_vectors v WHERE v.tenant = ${tenant} AND v.item_id = i.item_id)`;
  return sql`WITH scored AS (
      SELECT i.item_id, i.place, max(${scoreOf(distance, between)}) AS score
      FROM (${candidates}) i JOIN @item_vectors v ON v.tenant = ${tenant} AND v.item_id = i.item_id
      WHERE v.dimensions = ${vector.length} GROUP BY i.item_id, i.place
      ${unscored ? without : NOTHING}),
    page AS (
      SELECT item_id, place, score FROM scored WHERE ${minScore === null ? sql`true` : sql`score >= ${minScore}`} ${behind(listing)}
      ORDER BY score DESC NULLS LAST, place LIMIT ${limit + 1} OFFSET ${offset})
    SELECT ${ITEM_COLUMNS}, page.score FROM page JOIN @items i ON i.tenant = ${tenant} AND i.item_id = page.item_id
    ORDER BY page.score DESC NULLS LAST, page.place`;
}

/** What comes after the page before; a score of `null` is below all others. */
function behind({ after }: NearestListing): Sql {
  if (after === null) return NOTHING;
  const place = placeBytes(after);
  if (after.score === null) return sql`AND score IS NULL AND place > ${place}`;
  return sql`AND (score < ${after.score} OR score IS NULL OR (score = ${after.score} AND place > ${place}))`;
}

/** pgvector's own distances: the least is the nearest. */
const DISTANCES: Readonly<Record<VectorDistance, (from: Sql, to: Sql) => Sql>> = {
  cosine: (from, to) => sql`${from} OPERATOR(@pgvector.<=>) ${to}`,
  dot: (from, to) => sql`${from} OPERATOR(@pgvector.<#>) ${to}`,
  euclidean: (from, to) => sql`${from} OPERATOR(@pgvector.<->) ${to}`,
};

/**
 * The score of a distance. Beyond the numbers of 32 bits, in which pgvector adds, it is the greatest or least of them; where there is
 * no angle it is 0.
 */
function scoreOf(distance: VectorDistance, between: Sql): Sql {
  const whole = distance === "cosine" ? sql`1` : sql`0`;
  return sql`greatest(least(coalesce(nullif(${whole} - (${between}), 'NaN'), 0), 3.4028234663852886e38), -3.4028234663852886e38)`;
}

/** Most rows that an index is asked for: further down comparing all is as quick. */
const MAX_INDEX_ROWS = 1_000;

/** A page after a cursor begins in the middle, where an index cannot. */
function mayUseIndex({ vector, after, unscored, offset, limit }: NearestListing): boolean {
  return vector.length <= MAX_INDEXED_DIMENSIONS && after === null && !unscored && offset + limit + 1 <= MAX_INDEX_ROWS;
}

/** From 0.8 on an index goes on where what it has found does not match. */
function scansOn(support: VectorSupport): boolean {
  const [major = 0, minor = 0] = support.kind === "ready" ? support.version.split(".").map(Number) : [];
  return major > 0 || minor >= 8;
}

/** The vectors that an index gives first, in its order; where there is none the server compares all of them. */
function selectByIndex(tenant: string, listing: NearestListing, now: number): Sql {
  const { limit, offset, vector, distance } = listing;
  const dimensions = inText(vector.length);
  const embedding = sql`(v.embedding::@pgvector.vector(${dimensions}))`;
  const to = sql`${vectorBytes(vector)}::@pgvector.vector(${dimensions})`;
  return sql`WITH nearest AS (
      SELECT i.item_id, ${DISTANCES[distance](embedding, to)} AS distance
      FROM (SELECT item_id ${matching(tenant, listing, now)}) i
        JOIN @item_vectors v ON v.tenant = ${tenant} AND v.item_id = i.item_id
      WHERE v.dimensions = ${dimensions} ORDER BY distance LIMIT ${offset + limit + 1})
    SELECT ${ITEM_COLUMNS}, ${scoreOf(distance, sql`nearest.distance`)} AS score, nearest.item_id AS id
    FROM nearest JOIN @items i ON i.tenant = ${tenant} AND i.item_id = nearest.item_id
    ORDER BY score DESC, place`;
}

/** In the text, for an index is of one dimension: a whole number, whose text is always the same array. */
function inText(dimensions: number): Sql {
  let texts = DIMENSION_TEXTS.get(dimensions);
  if (texts === undefined) {
    texts = [String(dimensions)];
    DIMENSION_TEXTS.set(dimensions, texts);
  }
  return new Sql(texts, []);
}

const DIMENSION_TEXTS = new Map<number, readonly string[]>();

/** `undefined` where the rows may not be enough for the page: all vectors are compared then. */
function pageOfIndex(rows: readonly IndexedRow[], listing: NearestListing): Rows<ScoredItem> | undefined {
  const { offset, limit, minScore } = listing;
  const best = new Map<string, ScoredRow>();
  for (const { id, ...row } of rows) {
    const name = id.toString("hex");
    if (!best.has(name)) best.set(name, row);
  }
  const found = [...best.values()];
  const near = found.filter(({ score }) => minScore === null || (score !== null && score >= minScore));
  // One that is not near enough ends the page.
  if (near.length === found.length && found.length <= offset + limit) return undefined;
  return { rows: near.slice(offset, offset + limit).map(toScored), more: near.length > offset + limit };
}
