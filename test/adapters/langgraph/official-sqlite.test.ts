// The official suite on the SQLite backend, with a file of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { runOfficialSuite } from "./official-suite.js";

const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

runOfficialSuite("on SQLite", () => sqliteStorage(join(folder, `${randomUUID()}.db`)));
