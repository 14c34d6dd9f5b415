// The conformance kit on PostgreSQL with row-level security and partitions, by a role that owns nothing and is bound by the policies.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { guardedPostgresFactory } from "../testing/postgres-guarded-factory.js";

describeStorage(
  "postgres with row-level security and partitions",
  guardedPostgresFactory,
  vitestRunner({ describe, it }),
);
