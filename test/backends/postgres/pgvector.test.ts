// The conformance kit's clauses about items on PostgreSQL with pgvector, which runs inside the process.
import { beforeAll, describe, it } from "vitest";
import { CLAUSE_GROUPS, describeStorage, vitestRunner } from "../../../src/testing/index.js";
import { pgliteFactory, pglitePool } from "../../testing/pglite-factory.js";

const GROUPS = [
  "items",
  "listing items",
  "item filters",
  "changing items",
  "vectors of items",
  "search by similarity",
  "records",
  "chosen records",
  "streams of records",
  "edges of imports",
  "two handles",
];

/** Two calls at once need two connections. */
const NEEDS_CONNECTIONS = ["P1 an export while others write can be imported"];

const chosen = new Set(
  CLAUSE_GROUPS.filter(({ name }) => GROUPS.includes(name)).flatMap(({ clauses }) => clauses.map(({ name }) => name)),
);
for (const name of NEEDS_CONNECTIONS) chosen.delete(name);

beforeAll(() => pglitePool().then(() => undefined), 180_000);

describeStorage("postgres with pgvector", pgliteFactory, vitestRunner({ describe, it }), {
  filter: (name) => chosen.has(name),
});
