// The clauses are named after promises, and the tables that they walk are complete.
import { describe, expect, it } from "vitest";
import { OPERATION_NAMES } from "../../src/contract/operations.js";
import { CLAUSE_GROUPS } from "../../src/testing/clauses/index.js";
import { BAD_IDENTIFIERS, HOSTILE_IDENTIFIERS, LONGEST_IDENTIFIERS } from "../../src/testing/hostile-identifiers.js";
import { IDENTIFIER_ARGUMENTS } from "../../src/testing/identifier-arguments.js";
import { OPERATION_CALLS } from "../../src/testing/operation-calls.js";

const clauses = CLAUSE_GROUPS.flatMap((group) => group.clauses);
describe("the clauses", () => {
  it("have names of their own: a number and one sentence", () => {
    const names = clauses.map((clause) => clause.name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.filter((name) => !/^[A-Z]\d+ \S.{10,180}[^.\s]$/u.test(name))).toEqual([]);
  });

  it("are in groups of their own", () => {
    const names = CLAUSE_GROUPS.map((group) => group.name);
    expect(new Set(names).size).toBe(names.length);
    expect(CLAUSE_GROUPS.filter((group) => group.clauses.length === 0)).toEqual([]);
  });
});

describe("the tables of operations", () => {
  it("have a row for every operation", () => {
    expect(Object.keys(IDENTIFIER_ARGUMENTS).sort()).toEqual([...OPERATION_NAMES].sort());
    expect(["close", ...Object.keys(OPERATION_CALLS)].sort()).toEqual([...OPERATION_NAMES].sort());
  });
});

describe("the identifiers", () => {
  it("that are legal are so, and all different", () => {
    const legal = [...HOSTILE_IDENTIFIERS, ...LONGEST_IDENTIFIERS];
    expect(new Set(legal).size).toBe(legal.length);
    expect(legal.filter((id) => !id.isWellFormed() || id.includes("\0") || Buffer.byteLength(id) > 512)).toEqual([]);
    for (const longest of LONGEST_IDENTIFIERS) expect(Buffer.byteLength(longest)).toBe(512);
  });

  it("that are not legal are so", () => {
    const texts = BAD_IDENTIFIERS.map(([, value]) => value).filter((value) => typeof value === "string");
    expect(texts.filter((id) => id.isWellFormed() && !id.includes("\0") && Buffer.byteLength(id) <= 512)).toEqual([]);
  });
});
