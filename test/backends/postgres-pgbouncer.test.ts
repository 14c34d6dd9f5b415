// The conformance kit on PostgreSQL through PgBouncer in transaction mode: nothing may depend on the connection of the transaction before.
import { afterAll, describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { type PgBouncer, startPgBouncer } from "../support/pgbouncer.js";
import { freshDatabase, sharedPostgres } from "../support/shared-postgres.js";
import { schemasIn } from "../testing/postgres-factory.js";

let bouncer: PgBouncer | undefined;
afterAll(() => bouncer?.[Symbol.asyncDispose]());

const factory = schemasIn(freshDatabase, {
  through: async (url) => {
    bouncer = await startPgBouncer(await sharedPostgres(), 12);
    return bouncer.urlOf(url);
  },
  preparedStatements: false,
});

describeStorage("postgres through PgBouncer", factory, vitestRunner({ describe, it }));
