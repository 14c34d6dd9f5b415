// What people see: tables that fit, times, sizes, contents, and stored text that does no harm.
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { transcript } from "../../src/cli/commands/history.js";
import { SESSION_COLUMNS } from "../../src/cli/commands/sessions-ls.js";
import { contentLine, contentLines, inspectValue } from "../../src/cli/output/content.js";
import { escapeBlock, escapeJson, escapeLine } from "../../src/cli/output/escape.js";
import { jsonText } from "../../src/cli/output/json.js";
import { maskCredentials } from "../../src/cli/output/mask.js";
import { type Column, cut, renderTable } from "../../src/cli/output/table.js";
import { renderText } from "../../src/cli/output/text.js";
import { count, counted, relativeTime, seconds, size, span } from "../../src/cli/output/units.js";
import { HARMFUL, HOSTILE } from "./sample-store.js";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const style = { width: 100, color: false, now: NOW };

const session = (
  sessionId: string,
  more: object = {},
): (typeof SESSION_COLUMNS)[number] extends Column<infer S> ? S : never => ({
  sessionId,
  userId: "ada",
  status: "active",
  metadata: {},
  createdAt: new Date(NOW - 86_400_000),
  updatedAt: new Date(NOW - 180_000),
  version: 1,
  requestCount: 0,
  totalProcessingTime: 0,
  errorCount: 0,
  messageCount: 1482,
  lastSeq: 1482,
  ...more,
});

const lines = (text: string): string[] => text.split("\n").slice(0, -1);
const widest = (text: string): number => Math.max(...lines(text).map((line) => stringWidth(line)));

describe("a table", () => {
  const long = "0198c2f4-7b1e-7cc3-98c4-dc0c0c07398f-with-a-tail";
  const rows = [
    session("trip-1", { metadata: { city: "Lyon" } }),
    session(long, { messageCount: 7, userId: "日本語の利用者" }),
  ];

  it("has aligned columns, numbers at the right, times from now", () => {
    expect(lines(renderTable(SESSION_COLUMNS, rows, { ...style, width: 200 }))).toEqual([
      "SESSION                                           USER            STATUS  UPDATED    CREATED  MESSAGES  REQUESTS  ERRORS  TIME  METADATA",
      'trip-1                                            ada             active  3 min ago  1 d ago     1,482         0       0   0 s  {"city":"Lyon"}',
      `${long}  日本語の利用者  active  3 min ago  1 d ago         7         0       0   0 s`,
    ]);
  });

  it.each([160, 120, 100, 80, 60, 40, 20])("fits into %i columns of a terminal", (width) => {
    const table = renderTable(SESSION_COLUMNS, rows, { ...style, width });
    expect(widest(table)).toBeLessThanOrEqual(width);
    expect(lines(table)).toHaveLength(3);
    expect(table).toContain("trip-1");
  });

  it("drops what matters least before it cuts an identifier", () => {
    const table = renderTable(SESSION_COLUMNS, rows, { ...style, width: 120 });
    expect(table).toContain(long);
    expect(table).not.toContain("METADATA");
    const narrow = renderTable(SESSION_COLUMNS, rows, { ...style, width: 60 });
    expect(narrow).toMatch(/\n0198c2f4\S*…\S*-tail /);
    expect(narrow).toContain("SESSION");
    expect(narrow).not.toContain("REQUESTS");
  });

  it("has a bold heading in colour and nothing else", () => {
    const table = renderTable(SESSION_COLUMNS, rows, { ...style, color: true });
    expect(table).toContain("\x1b[1mSESSION\x1b[22m");
    expect(stripVTControlCharacters(table)).toBe(renderTable(SESSION_COLUMNS, rows, style));
  });

  it("keeps its columns over many rows", () => {
    const many = Array.from({ length: 1000 }, (_, i) => session(`session-${i}`, { messageCount: i }));
    const table = lines(renderTable(SESSION_COLUMNS, many, style));
    expect(table).toHaveLength(1001);
    expect(new Set(table.map((line) => line.indexOf(" active ")).slice(1))).toHaveProperty("size", 1);
  });

  it("leaves out columns that are empty in every row", () => {
    const table = renderTable(SESSION_COLUMNS, [session("a")], { ...style, width: 200 });
    expect(table).not.toContain("METADATA");
    expect(table).not.toContain("EXPIRES");
  });

  it("has one line a row, whatever is stored", () => {
    const evil = [session(`a${HOSTILE}`, { userId: HOSTILE, metadata: { [HOSTILE]: HOSTILE } }), session("b")];
    for (const width of [40, 80, 400]) {
      const table = renderTable(SESSION_COLUMNS, evil, { ...style, width });
      expect(lines(table)).toHaveLength(3);
      expect(table).not.toMatch(HARMFUL);
    }
    expect(lines(renderText(SESSION_COLUMNS, evil))).toHaveLength(2);
    expect(renderText(SESSION_COLUMNS, evil)).not.toMatch(HARMFUL);
  });

  it("never exceeds the terminal, for any text", () => {
    const columns: Column<string>[] = [
      { title: "ID", value: (text) => text, keep: 2, cut: "middle", minWidth: 5 },
      { title: "TEXT", value: (text) => text, keep: 1, cut: "end", minWidth: 5 },
    ];
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 60 }), { minLength: 1, maxLength: 5 }), (texts) => {
        const table = renderTable(columns, texts, { ...style, width: 24 });
        if (texts.some((text) => text !== "")) expect(widest(table)).toBeLessThanOrEqual(24);
      }),
      { numRuns: 200 },
    );
  });
});

describe("cutting", () => {
  it("puts … where something is missing", () => {
    expect(cut("abcdefghij", 10, "middle")).toBe("abcdefghij");
    expect(cut("abcdefghij", 7, "middle")).toBe("abc…hij");
    expect(cut("abcdefghij", 6, "middle")).toBe("abc…ij");
    expect(cut("abcdefghij", 7)).toBe("abcdef…");
    expect(cut("日本語日本語", 7, "middle")).toBe("日…語");
    expect(cut("👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 4)).toBe("👩‍👩‍👧‍👦…");
  });
});

describe("stored text", () => {
  it("is spelled out in one line", () => {
    expect(escapeLine("a\nb\r\tc\x1b[31m\x9b\u202e\u2028\u{e0041}\0")).toBe(
      "a\\nb\\r\\tc\\x1b[31m\\x9b\\u202e\\u2028\\u{e0041}\\x00",
    );
    expect(escapeLine("שלום نص 日本 👩‍👧 ü\\n")).toBe("שלום نص 日本 👩‍👧 ü\\n");
    expect(escapeLine("\ud800")).toBe("\\ud800");
  });

  it("keeps its lines where it may have several", () => {
    expect(escapeBlock("a\r\nb\n\tc\rd")).toBe("a\nb\n  c\\rd");
  });

  it("stays the same document as JSON", () => {
    fc.assert(
      fc.property(fc.json(), fc.string({ unit: "binary" }), (json, text) => {
        const document = { text, value: JSON.parse(json), hostile: HOSTILE };
        const written = jsonText(document);
        expect(written).not.toMatch(HARMFUL);
        expect(JSON.parse(written)).toEqual(document);
      }),
    );
    expect(escapeJson('"\u{e0041}"')).toBe('"\\udb40\\udc41"');
  });
});

describe("contents", () => {
  it.each([
    ["text", "text"],
    [
      [
        { type: "text", text: "a" },
        { type: "reasoning", text: "b" },
      ],
      "a · [reasoning] b",
    ],
    [[{ type: "tool_call", toolName: "find", input: { a: 1 } }], "→ find({ a: 1 })"],
    [[{ type: "tool-call", name: "find", args: '{"a":1}' }], '→ find({"a":1})'],
    [[{ type: "tool_use", id: "t1", name: "find", input: {} }], "→ find({})"],
    [[{ type: "function", id: "t1", function: { name: "find", arguments: "{}" } }], "→ find({})"],
    [[{ type: "tool_call" }], "→ tool_call()"],
    [[{ type: "tool_result", toolName: "find", output: [1] }], "← find: [ 1 ]"],
    [[{ type: "tool_result", tool_use_id: "t1", content: "ok" }], "← t1: ok"],
    [[{ type: "function_call_output", call_id: "c", output: new Date(0) }], "← c: 1970-01-01T00:00:00.000Z"],
    [[{ type: "image", bytes: new Uint8Array(2) }], "[image] { bytes: Uint8Array(2) [ 0, 0 ] }"],
    [[{ type: "end" }], "[end]"],
    [[], ""],
  ])("%j are readable in one line", (content, line) => {
    expect(contentLine(content)).toBe(line);
  });

  it("have a line for each part", () => {
    expect(contentLines([{ type: "text", text: "a\nb" }, { type: "end" }])).toEqual(["a\nb", "[end]"]);
  });

  it("are shown under a heading, whole or in part", () => {
    const message = {
      sessionId: "s",
      seq: 7,
      messageId: "m",
      role: "us\x1ber",
      content: "one\ntwo\x07\nthree",
      metadata: {},
      timestamp: new Date(NOW - 7_200_000),
    };
    expect(transcript([message], style)).toBe("#7 us\\x1ber · 2 h ago\n  one\n  two\\x07\n  three\n");
    expect(transcript([message], style, 1)).toBe("#7 us\\x1ber · 2 h ago\n  one\n  … 2 more lines\n");
    expect(transcript([message], { ...style, color: true })).toContain("\x1b[1m#7 us\\x1ber · 2 h ago\x1b[22m\n");
  });

  it("are cut for a look and whole with full", () => {
    const value = { long: "x".repeat(2000), many: Array.from({ length: 200 }, (_, i) => i), map: new Map([["k", 1n]]) };
    const look = inspectValue(value, { width: 80 });
    expect(look).toContain("1500 more characters");
    expect(look).toContain("150 more items");
    expect(look).toContain("Map(1) { 'k' => 1n }");
    const full = inspectValue(value, { width: 80, full: true });
    expect(full).toContain("x".repeat(2000));
    expect(full).toContain("199");
  });
});

describe("units", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [2_100_000, "2.1 MB"],
    [9_960, "10 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [123_456_789_000, "123 GB"],
  ])("%i bytes are %s", (bytes, text) => expect(size(bytes)).toBe(text));

  it.each([
    [-180_000, "3 min ago"],
    [-999, "now"],
    [-86_400_000 * 400, "1 y ago"],
    [7_300_000, "in 2 h"],
    [-59_999, "59 s ago"],
  ])("%i ms from now is %s", (distance, text) => expect(relativeTime(new Date(NOW + distance), NOW)).toBe(text));

  it("are rounded for people", () => {
    expect(span(450)).toBe("450 ms");
    expect([0, 999, 1482, 1234567, -1482, 1234.5678].map(count)).toEqual([
      "0",
      "999",
      "1,482",
      "1,234,567",
      "-1,482",
      "1,234.5678",
    ]);
    expect(seconds(1234567.89)).toBe("1,234,567.9 s");
    expect([counted(1, "session"), counted(1482, "session")]).toEqual(["1 session", "1,482 sessions"]);
    expect(seconds(12.345)).toBe("12.3 s");
  });
});

describe("credentials", () => {
  it.each([
    ["postgres://ada:secret@db/x", "postgres://ada:***@db/x"],
    ["redis://:secret@db", "redis://:***@db"],
    ["http://db/x?token=secret&a=1", "http://db/x?token=***&a=1"],
    ["at 10:30: a@b is fine", "at 10:30: a@b is fine"],
    ["sqlite:./agent.db?timeoutMs=5", "sqlite:./agent.db?timeoutMs=5"],
  ])("in %s are masked", (text, masked) => expect(maskCredentials(text)).toBe(masked));
});
