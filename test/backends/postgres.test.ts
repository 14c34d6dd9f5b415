// The conformance kit on the PostgreSQL backend, on a real server.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { postgresFactory } from "../testing/postgres-factory.js";

describeStorage("postgres", postgresFactory, vitestRunner({ describe, it }));
