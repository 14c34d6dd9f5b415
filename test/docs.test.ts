// The documents are true where that can be checked: links, codes, numbers, options, limits and code.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { type MemoryStorageOptions, memoryStorage } from "../src/backends/memory/index.js";
import { type PostgresStorageOptions, postgresStorage } from "../src/backends/postgres/index.js";
import { type RedisStorageOptions, redisStorage } from "../src/backends/redis/index.js";
import { type SqliteStorageOptions, sqliteStorage } from "../src/backends/sqlite/index.js";
import type { StorageErrorCode } from "../src/contract/errors.js";
import type { StorageRecord } from "../src/contract/records.js";
import type { StorageBackend } from "../src/contract/storage-backend.js";
import { MAX_LIST_LIMIT, MAX_PAGE_LIMIT, MAX_TTL_MS } from "../src/domain/arguments.js";
import { DEFAULT_TIMEOUT_MS, timeoutOption } from "../src/domain/call-options.js";
import { MAX_DELETED_IDS } from "../src/domain/checkpoint-arguments.js";
import { DEFAULT_MAX_BYTES, MAX_CONTAINERS, MAX_DEPTH, MAX_MEMBERS } from "../src/domain/codec/format.js";
import { MAX_IDENTIFIER_BYTES } from "../src/domain/identifiers.js";
import { MAX_CALL_METADATA_BYTES, MAX_METADATA_PARTS, MAX_VECTOR_NUMBERS } from "../src/domain/intake.js";
import { MAX_OFFSET } from "../src/domain/item-arguments.js";
import { MAX_UPDATED_BYTES } from "../src/domain/item-changes.js";
import { MAX_ITEM_BYTES } from "../src/domain/items.js";
import { MAX_LEASE_TTL_MS } from "../src/domain/leases.js";
import {
  MAX_CONDITIONS,
  MAX_IDENTIFIERS,
  MAX_MESSAGES,
  MAX_OPERATIONS,
  MAX_SESSIONS,
  MAX_WRITES,
} from "../src/domain/lists.js";
import { MAX_METADATA_BYTES, MAX_METADATA_DEPTH } from "../src/domain/metadata.js";
import { MAX_NAMESPACE_LABELS } from "../src/domain/namespaces.js";
import { KEEP_CONTEXT_VERSIONS } from "../src/domain/task-contexts.js";
import { MAX_DIMENSIONS, MAX_ITEM_VECTORS } from "../src/domain/vectors.js";
import { openStorage } from "../src/open.js";
import { CLAUSE_GROUPS } from "../src/testing/clauses/index.js";
import { checkBlocks, type PageBlock } from "./support/check-blocks.js";
import { readMarkdownPage } from "./support/markdown-page.js";
import { temporaryFolder } from "./support/packed-package.js";
import { readmeBlocks } from "./support/readme-blocks.js";
import { sharedRedis } from "./support/redis-server.js";
import { manifest, repositoryRoot } from "./support/repository.js";
import { freshDatabase } from "./support/shared-postgres.js";

const paths = globSync(["*.md", "docs/**/*.md", "examples/*.md", "bench/*.md"], { cwd: repositoryRoot })
  .map((path) => path.split(sep).join("/"))
  .sort();
const text = (path: string): string => readFileSync(join(repositoryRoot, path), "utf8");
const pages = new Map(paths.map((path) => [path, readMarkdownPage(text(path))]));

/** Rows of the first table whose head begins with these columns, as cells without marks. */
function tableRows(path: string, ...columns: readonly string[]): string[][] {
  const lines = text(path).split("\n");
  const head = lines.findIndex((line) => columns.every((column, i) => cells(line)[i] === column));
  if (head === -1) throw new Error(`${path} has no table with the columns ${columns.join(", ")}`);
  const rows = lines.slice(head + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end === -1 ? rows.length : end).map(cells);
}

function cells(line: string): string[] {
  return line.startsWith("|")
    ? line
        .slice(1, line.lastIndexOf("|"))
        .split("|")
        .map((cell) => cell.trim())
    : [];
}

async function exported(storage: StorageBackend): Promise<StorageRecord[]> {
  const records: StorageRecord[] = [];
  for await (const record of storage.exportRecords()) records.push(record);
  return records;
}

const names = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");

describe("links", () => {
  const links = [...pages].flatMap(([path, page]) =>
    page.links.filter(({ target }) => !/^[a-z]+:/.test(target)).map((link) => ({ path, ...link })),
  );
  const resolved = (path: string, target: string): string =>
    target === ""
      ? path
      : normalize(join(dirname(path), target))
          .split(sep)
          .join("/");

  it("lead to files that are there", () => {
    expect(links.length).toBeGreaterThan(20);
    const broken = links.filter(({ path, target }) => !existsSync(join(repositoryRoot, resolved(path, target))));
    expect(broken).toEqual([]);
  });

  it("name anchors that are there", () => {
    const broken = links.filter(({ path, target, anchor }) => {
      if (anchor === undefined) return false;
      const page = pages.get(resolved(path, target));
      return page === undefined || !page.anchors.has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("reach every page of the documents from their index, which the README names", () => {
    const reached = (from: string): string[] =>
      links.filter(({ path }) => path === from).map(({ path, target }) => resolved(path, target));
    const documents = paths.filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
    expect(reached("docs/README.md")).toEqual(expect.arrayContaining(documents));
    expect(reached("README.md").some((path) => /^docs(\/|\/README\.md)?$/.test(path))).toBe(true);
  });
});

describe("docs/errors.md", () => {
  it("has one heading for each code and no other", () => {
    const codes: { readonly [Code in StorageErrorCode]: true } = {
      SESSION_NOT_FOUND: true,
      SESSION_EXISTS: true,
      CONFLICT: true,
      FENCED: true,
      CONNECTION: true,
      TIMEOUT: true,
      ABORTED: true,
      INVALID_ARGUMENT: true,
      SERIALIZATION: true,
      CORRUPTION: true,
      UNSUPPORTED: true,
      CLOSED: true,
    };
    const headings = pages.get("docs/errors.md")?.headings.filter(({ level }) => level > 1) ?? [];
    expect(headings.map((heading) => heading.text).sort()).toEqual(Object.keys(codes).sort());
  });
});

describe("docs/contract.md", () => {
  const promises = [...text("docs/contract.md").matchAll(/^- \*\*([A-Z]\d+)\*\* ((?:.|\n(?! *- |\n|#))*)/gm)].map(
    ([, number = "", sentence = ""]) => ({ number, sentence }),
  );
  const numbers = promises.map(({ number }) => number);
  const clauses = CLAUSE_GROUPS.flatMap((group) => group.clauses.map((clause) => clause.name));
  const named = clauses.map((name) => /^([A-Z]\d+(?: [A-Z]\d+)*) /.exec(name)?.[1]?.split(" ") ?? []);

  it("has each number once", () => {
    expect(numbers.length).toBeGreaterThan(40);
    expect(numbers).toEqual([...new Set(numbers)]);
  });

  it("promises what every clause of the kit tests", () => {
    expect(clauses.filter((_name, i) => named[i]?.length === 0)).toEqual([]);
    expect([...new Set(named.flat())].filter((number) => !numbers.includes(number))).toEqual([]);
  });

  it("promises nothing that no clause tests, unless it says so", () => {
    const kept = promises.filter(({ sentence }) => !/\*Not yet: /.test(sentence));
    expect(kept.map(({ number }) => number).filter((number) => !named.flat().includes(number))).toEqual([]);
  });

  it("mentions no promise that it does not make", () => {
    const pagesOfOurs = paths.filter((path) => path.startsWith("docs/"));
    const mentioned = pagesOfOurs.flatMap((path) =>
      [...text(path).matchAll(/(?<![\w`"[.-])([A-Z]\d{1,2})(?![\w`".-])/g)].map((match) => match[1] ?? ""),
    );
    const families = new Set(numbers.map((number) => number[0]));
    const unknown = mentioned.filter(
      (number) => families.has(number[0]) && number !== "V8" && !numbers.includes(number),
    );
    expect([...new Set(unknown)]).toEqual([]);
  });

  it("states the limits that the code has", () => {
    const count = (n: number): string => n.toLocaleString("en-US");
    const mebibytes = (bytes: number): string => `${bytes / 1024 / 1024} MiB`;
    const day = 24 * 60 * 60 * 1000;
    const limits = new Map(tableRows("docs/contract.md", "what", "from", "to").map(([what = "", , to]) => [what, to]));
    expect(() => timeoutOption(day + 1)).toThrow();
    expect(timeoutOption(day)).toBe(day);
    expect(Object.fromEntries(limits)).toEqual({
      "identifier, in bytes of UTF-8": count(MAX_IDENTIFIER_BYTES),
      "content, state, write or context, encoded": `${mebibytes(DEFAULT_MAX_BYTES)} and ${count(MAX_DEPTH)} levels (a Map counts as three, a Set as two)`,
      "arrays and objects of such a value; elements and properties of them, together": `${count(MAX_CONTAINERS)}; ${count(MAX_MEMBERS)}`,
      "metadata, as JSON text; all of one call": `${mebibytes(MAX_METADATA_BYTES)} and ${MAX_METADATA_DEPTH} levels; ${mebibytes(MAX_CALL_METADATA_BYTES)}`,
      "arrays and objects, elements and properties of metadata, all of one call": count(MAX_METADATA_PARTS),
      "value of an item, as JSON text": `${mebibytes(MAX_ITEM_BYTES)} and ${MAX_METADATA_DEPTH} levels`,
      "values that the updates of one batch of items make, together": mebibytes(MAX_UPDATED_BYTES),
      "labels of an item's namespace": count(MAX_NAMESPACE_LABELS),
      "vectors of an item; numbers of all vectors of one call": `${count(MAX_ITEM_VECTORS)}; ${count(MAX_VECTOR_NUMBERS)}`,
      "dimensions of a vector": count(MAX_DIMENSIONS),
      "`offset` of a search": count(MAX_OFFSET),
      "`ttlMs` of a session or an item": `${count(MAX_TTL_MS / day)} days`,
      "`ttlMs` of a lease": `${MAX_LEASE_TTL_MS / day} days`,
      "`timeoutMs`": "1 day",
      "`limit` of a page; of history, checkpoints and versions": `${count(MAX_PAGE_LIMIT)}; ${count(MAX_LIST_LIMIT)}`,
      "messages, sessions, writes, operations of items of one call": [
        MAX_MESSAGES,
        MAX_SESSIONS,
        MAX_WRITES,
        MAX_OPERATIONS,
      ]
        .map(count)
        .join("; "),
      "ids, roles or keys of one list; ids of one `deleteCheckpoints`": `${count(MAX_IDENTIFIERS)}; ${count(MAX_DELETED_IDS)}`,
      "conditions of a filter; conditions, and keys to remove or increment, of one batch of items": `${count(MAX_CONDITIONS)}; ${count(MAX_IDENTIFIERS)}`,
      "`keepVersions`": "10,000",
    });
    expect(() => memoryStorage({ keepVersions: 10_001 })).toThrow();
    expect(memoryStorage({ keepVersions: 10_000 }).kind).toBe("memory");
  });
});

describe("the pages of the backends", () => {
  const memory: { readonly [Name in keyof MemoryStorageOptions]-?: true } = {
    tenant: true,
    timeoutMs: true,
    clock: true,
    keepVersions: true,
    changeFeed: true,
  };
  const sqlite: { readonly [Name in keyof SqliteStorageOptions]-?: true } = {
    ...memory,
    path: true,
    durability: true,
    journal: true,
    vectorCacheBytes: true,
  };
  /** `openStorage` takes two sizes of the pool by name. */
  const postgresql: { readonly [Name in keyof PostgresStorageOptions | "poolMin" | "poolMax"]-?: true } = {
    ...memory,
    url: true,
    pool: true,
    poolMin: true,
    poolMax: true,
    tls: true,
    schema: true,
    migrate: true,
    partitions: true,
    rls: true,
    createExtension: true,
    vectorSearch: true,
    preparedStatements: true,
  };
  const redis: { readonly [Name in keyof RedisStorageOptions]-?: true } = {
    ...memory,
    url: true,
    client: true,
    tls: true,
    prefix: true,
    shards: true,
    requireDurability: true,
    waitReplicas: true,
    sessionTtlMs: true,
    pieceLength: true,
    connectTimeoutMs: true,
  };
  const table = (backend: string) =>
    tableRows(`docs/backends/${backend}.md`, "option", "in the URL", "in the environment", "default", "meaning");

  it.each([
    ["memory", memory],
    ["sqlite", sqlite],
    ["postgresql", postgresql],
    ["redis", redis],
  ])("%s: lists the options of its factory", (backend, options) => {
    expect(
      table(backend)
        .flatMap(([option]) => names(option))
        .sort(),
    ).toEqual(Object.keys(options).sort());
  });

  it.each([
    ["memory", "memory:"],
    ["sqlite", "sqlite:./never-opened.db"],
    ["postgresql", "postgresql://localhost/never-opened"],
    ["redis", "redis://localhost/0"],
  ])("%s: shows in the URL and the environment what can be given there", async (backend, url) => {
    const refusal = await openStorage(url, { env: {}, nothing: 1 } as object).catch((error: Error) => error.message);
    const known = /the known ones are (.+)$/.exec(String(refusal))?.[1]?.split(", ") ?? [];
    expect(known).toContain("tenant");
    const shown = table(backend).filter(([, inUrl]) => /^`\?/.test(inUrl ?? ""));
    expect(shown.map(([, inUrl]) => /^`\?(\w+)=/.exec(inUrl ?? "")?.[1]).sort()).toEqual(known.sort());
    for (const [option, inUrl, inEnvironment] of shown) {
      const [name = ""] = names(option);
      expect(inUrl).toMatch(new RegExp(`^\`\\?${name}=`));
      expect(names(inEnvironment)).toEqual([`WAYSTONE_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`]);
    }
  });

  it.each(["memory", "sqlite", "postgresql", "redis"])("%s: tells the defaults that the code has", (backend) => {
    const defaults = Object.fromEntries(table(backend).map(([option, , , value]) => [names(option)[0], value]));
    expect(defaults).toMatchObject({
      tenant: '`"default"`',
      timeoutMs: DEFAULT_TIMEOUT_MS.toLocaleString("en-US"),
      keepVersions: String(KEEP_CONTEXT_VERSIONS),
    });
  });
});

describe("docs/backends/sqlite.md", () => {
  it("lists the views that a file has, with queries that run", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "agent.db");
    await using storage = sqliteStorage({ path });
    await storage.createSession("trip-1", "ada");
    await storage.addConversationMessage("trip-1", "user", "Find me a train to Lyon");
    await storage.storeCheckpoint("trip-1", "step-1", { plan: ["search", "book"] });
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    using database = new DatabaseSync(path, { readOnly: true });
    const views = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'view'").all();
    expect(
      tableRows("docs/backends/sqlite.md", "view")
        .map(([view]) => names(view)[0])
        .sort(),
    ).toEqual(views.map(({ name }) => name).sort());
    const queries = readmeBlocks(text("docs/backends/sqlite.md")).filter((block) => block.language === "sql");
    const results = queries.flatMap(({ code }) => code.split("\n")).map((query) => database.prepare(query).get());
    expect(results).toEqual([
      { seq: 1, role: "user", content: "Find me a train to Lyon" },
      { status: "active", "count(*)": 1, "sum(request_count)": 0 },
      { checkpoint_id: "step-1", parent_id: null, size_bytes: 26, first_step: "search" },
    ]);
  });

  it("lists the checks of a healthy file", async () => {
    using folder = temporaryFolder();
    await using storage = sqliteStorage({ path: join(folder.path, "agent.db") });
    const listed = tableRows("docs/backends/sqlite.md", "check", "says").flatMap(([check]) => names(check));
    const { checks } = await storage.healthCheck();
    expect(listed).toEqual([...checks.map((check) => check.name), "log", "maintenance"]);
  });
});

describe("docs/backends/postgresql.md", () => {
  it("lists the views that a schema has, with queries that run", async () => {
    const url = await freshDatabase();
    await using storage = postgresStorage({ url });
    await storage.createSession("trip-1", "ada");
    await storage.addConversationMessage("trip-1", "user", "Find me a train to Lyon");
    await storage.storeCheckpoint("trip-1", "step-1", { plan: ["search", "book"] });
    const pool = new pg.Pool({ connectionString: url });
    const views = await pool.query("SELECT viewname AS name FROM pg_views WHERE schemaname = 'waystone'");
    expect(
      tableRows("docs/backends/postgresql.md", "view")
        .map(([view]) => names(view)[0])
        .sort(),
    ).toEqual(views.rows.map(({ name }) => name).sort());
    const queries = readmeBlocks(text("docs/backends/postgresql.md"))
      .filter((block) => block.language === "sql")
      .flatMap(({ code }) => code.split("\n"))
      .filter((line) => line.startsWith("SELECT"));
    const results = [];
    for (const query of queries) results.push(...(await pool.query(query)).rows);
    await pool.end();
    expect(results).toEqual([
      { seq: "1", role: "user", content: "Find me a train to Lyon" },
      { status: "active", count: 1, sum: 0 },
      { checkpoint_id: "step-1", parent_id: null, size_bytes: 26, first_step: "search" },
    ]);
  });

  it("lists the checks of a healthy store", async () => {
    await using storage = postgresStorage({ url: await freshDatabase() });
    const listed = tableRows("docs/backends/postgresql.md", "check", "says").flatMap(([check]) => names(check));
    expect((await storage.healthCheck()).checks.map((check) => check.name)).toEqual(listed);
  });
});

describe("docs/backends/redis.md", () => {
  it("lists the checks of a healthy store", async () => {
    await using storage = redisStorage({ url: await sharedRedis() });
    const listed = tableRows("docs/backends/redis.md", "check", "says").flatMap(([check]) => names(check));
    expect((await storage.healthCheck()).checks.map((check) => check.name)).toEqual(listed);
  });
});

describe("docs/records.md", () => {
  it("shows records that an import takes and an export gives back", async () => {
    const shown = readmeBlocks(text("docs/records.md")).filter((block) => block.language === "json");
    const records: StorageRecord[] = shown.map((block) => JSON.parse(block.code));
    await using storage = memoryStorage({ clock: { now: () => Date.parse("2026-01-31T13:00:00.000Z") } });
    await storage.importRecords(records);
    expect(records.map((record) => record.kind)).toEqual(["session", "message"]);
    expect(await exported(storage)).toEqual(records);
  });

  it("lists the fields of every kind", async () => {
    await using storage = memoryStorage();
    await storage.createSession("s", "u", { ttlMs: 60_000 });
    await storage.storeTaskContext("s", {});
    await storage.addConversationMessage("s", "user", "hi");
    await storage.storeCheckpoint("t", "c", {}, { sessionId: "s", parentId: "p", needsParent: true });
    await storage.putWrites("t", "c", "task", [["channel", 1]]);
    await storage.putItem(["n"], "k", {}, { ttlMs: 60_000, vectors: [[1]] });
    const given = (await exported(storage)).map(({ kind, ...fields }) => [kind, Object.keys(fields).sort()]);
    const listed = tableRows("docs/records.md", "kind").map(([kind, always, optional]) => [
      names(kind)[0],
      [...names(always), ...names(optional)].sort(),
    ]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(given));
  });
});

describe("the package", () => {
  it("has no entry that the documents do not mention", () => {
    const all = paths.map(text).join("\n");
    const entries = Object.keys(manifest.exports).filter((name) => name !== "./package.json");
    const silent = entries.map((name) => `\`${manifest.name}${name.slice(1)}\``).filter((name) => !all.includes(name));
    expect(silent).toEqual([]);
  });

  it("has a README of at most 450 words of prose", () => {
    const prose = text("README.md")
      .replace(/^(```|~~~)[\s\S]*?^\1$/gm, "")
      .replace(/\]\([^)]*\)/g, "]")
      .split(/\s+/)
      .filter((word) => /[\p{L}\p{N}]/u.test(word));
    expect(prose.length).toBeLessThanOrEqual(450);
  });
});

describe("the code in the documents", () => {
  it("compiles", { timeout: 120_000 }, () => {
    const blocks: PageBlock[] = paths
      .filter((path) => path.startsWith("docs/") && statSync(join(repositoryRoot, path)).isFile())
      .flatMap((page) => readmeBlocks(text(page)).map((block) => ({ ...block, page })))
      .filter((block) => block.language === "ts");
    expect(blocks.length).toBeGreaterThan(3);
    expect(checkBlocks(blocks)).toBe("");
  });
});
