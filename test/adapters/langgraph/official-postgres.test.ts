// The official suite on the PostgreSQL backend, with a tenant of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";
import { runOfficialSuite } from "./official-suite.js";

const url = await freshDatabase();

runOfficialSuite("on PostgreSQL", () => postgresStorage({ url, tenant: randomUUID() }));
