// A folder of its own for each test, and looks at a file from outside.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished, vi } from "vitest";
import { OpenFile } from "../../../src/backends/sqlite/store.js";

/** A path in a new folder, which is removed after the test. */
export function newPath(name = "store.db"): string {
  const folder = mkdtempSync(join(tmpdir(), "waystone-sqlite-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
}

/** Runs something on the file over a connection of the test's own. */
export function outside<T>(path: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** The first column of the only row. */
export function firstValue(path: string, sql: string): unknown {
  return outside(path, (db) => Object.values(db.prepare(sql).get() ?? {})[0]);
}

/** The files that storages open from now on, to look at their inside. */
export function openedFiles(): OpenFile[] {
  const files: OpenFile[] = [];
  const open = OpenFile.open;
  vi.spyOn(OpenFile, "open").mockImplementation(async (...args) => {
    const file = await open.apply(OpenFile, args);
    files.push(file);
    return file;
  });
  return files;
}
