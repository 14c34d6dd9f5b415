// Items and their namespaces: whole labels, versions, expiry and the order of listings (M1, M3).
import { describe, expect, it } from "vitest";
import { ConflictError, InvalidArgumentError } from "../../src/contract/errors.js";
import type { StoredItem } from "../../src/domain/driver/stored.js";
import {
  encodeItemValue,
  isAfter,
  isDeletable,
  isItemExpired,
  itemOrder,
  itemPosition,
  putStored,
  refreshStored,
  toItem,
} from "../../src/domain/items.js";
import { compareNamespaces, endsWithLabels, parseNamespace, startsWithLabels } from "../../src/domain/namespaces.js";

const NOW = 1000;

const stored: StoredItem = {
  namespace: ["a"],
  key: "k",
  value: "{}",
  version: 3,
  createdAt: 100,
  updatedAt: 500,
  ttlMs: null,
  expiresAt: null,
};

const put = (expectedVersion: number | null = null, ttlMs: number | null = null) =>
  ({ kind: "put", namespace: ["a"], key: "k", value: '{"v":1}', ttlMs, expectedVersion }) as const;

describe("putStored", () => {
  it("begins at version 1 and goes on from there", () => {
    expect(putStored(undefined, put(), NOW)).toEqual({
      ...stored,
      value: '{"v":1}',
      version: 1,
      createdAt: NOW,
      updatedAt: NOW,
    });
    expect(putStored(stored, put(), NOW)).toEqual({ ...stored, value: '{"v":1}', version: 4, updatedAt: NOW });
  });

  it("never lets updatedAt go back", () => {
    expect(putStored(stored, put(), 200).updatedAt).toBe(500);
  });

  it("counts the time to live from the put, and drops it when none is given", () => {
    expect(putStored(stored, put(null, 50), NOW)).toMatchObject({ ttlMs: 50, expiresAt: NOW + 50 });
    expect(putStored({ ...stored, ttlMs: 50, expiresAt: NOW + 1 }, put(), NOW)).toMatchObject({
      ttlMs: null,
      expiresAt: null,
    });
  });

  it("takes an expired item for absent", () => {
    const expired = { ...stored, ttlMs: 1, expiresAt: NOW };
    expect(putStored(expired, put(0), NOW)).toMatchObject({ version: 1, createdAt: NOW });
    expect(() => putStored(expired, put(3), NOW)).toThrow(ConflictError);
  });

  it("compares the expected version, 0 for absent", () => {
    expect(putStored(stored, put(3), NOW).version).toBe(4);
    expect(() => putStored(stored, put(2), NOW)).toThrow("the item is at version 3, and version 2 is expected");
    expect(() => putStored(stored, put(0), NOW)).toThrow("it is expected to be absent");
    expect(() => putStored(undefined, put(1), NOW)).toThrow("the item is not there, and version 1 is expected");
  });
});

describe("expiry (M3)", () => {
  it("takes effect from the very instant on", () => {
    const item = { expiresAt: NOW };
    expect([isItemExpired(item, NOW - 1), isItemExpired(item, NOW), isItemExpired({ expiresAt: null }, NOW)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("begins anew with a read that refreshes, for items that expire", () => {
    expect(refreshStored({ ...stored, ttlMs: 70, expiresAt: 1 }, NOW).expiresAt).toBe(NOW + 70);
    expect(refreshStored(stored, NOW)).toBe(stored);
  });
});

describe("isDeletable", () => {
  it("finds nothing where nothing is, and takes that for version 0", () => {
    expect(isDeletable(undefined, null, NOW)).toBe(false);
    expect(isDeletable(undefined, 0, NOW)).toBe(false);
    expect(() => isDeletable(undefined, 5, NOW)).toThrow(ConflictError);
    expect(() => isDeletable({ ...stored, ttlMs: 1, expiresAt: NOW }, 3, NOW)).toThrow(ConflictError);
    expect(isDeletable({ ...stored, ttlMs: 1, expiresAt: NOW }, null, NOW)).toBe(false);
  });

  it("compares the version of what is there", () => {
    expect(isDeletable(stored, null, NOW)).toBe(true);
    expect(isDeletable(stored, 3, NOW)).toBe(true);
    expect(() => isDeletable(stored, 2, NOW)).toThrow(ConflictError);
  });
});

describe("the order of listings", () => {
  const place = (namespace: string[], key: string, time: number) => ({
    namespace,
    key,
    createdAt: time,
    updatedAt: -time,
  });
  const items = [place(["a", "b"], "1", 2), place(["a"], "2", 1), place(["a"], "10", 2), place(["ab"], "1", 1)];
  const sorted = (orderBy: "key" | "createdAt" | "updatedAt", direction: "asc" | "desc") =>
    [...items].sort(itemOrder({ orderBy, direction })).map((each) => items.indexOf(each));

  it("is by namespace label by label, then key", () => {
    expect(sorted("key", "asc")).toEqual([2, 1, 0, 3]);
    expect(sorted("key", "desc")).toEqual([3, 0, 1, 2]);
  });

  it("is by time with ties by namespace and key in the same direction", () => {
    expect(sorted("createdAt", "asc")).toEqual([1, 3, 2, 0]);
    expect(sorted("createdAt", "desc")).toEqual([0, 2, 3, 1]);
    expect(sorted("updatedAt", "asc")).toEqual([2, 0, 1, 3]);
  });

  it("goes on after every position without gap or repetition", () => {
    for (const orderBy of ["key", "createdAt", "updatedAt"] as const) {
      for (const direction of ["asc", "desc"] as const) {
        const order = [...items].sort(itemOrder({ orderBy, direction }));
        order.forEach((each, i) => {
          const rest = order.filter((item) =>
            isAfter(item, { after: itemPosition(each, orderBy), orderBy, direction }),
          );
          expect(rest).toEqual(order.slice(i + 1));
        });
      }
    }
    expect(isAfter(items[0] as (typeof items)[0], { after: null, orderBy: "key", direction: "asc" })).toBe(true);
  });
});

describe("values of items", () => {
  it("are plain JSON objects of up to 16 MiB", () => {
    expect(encodeItemValue({ a: [1, null] })).toBe('{"a":[1,null]}');
    expect(encodeItemValue({ text: "x".repeat(2 * 1024 * 1024) })).toHaveLength(2 * 1024 * 1024 + 11);
    for (const value of [[], "text", null, { at: new Date() }, { text: "x".repeat(16 * 1024 * 1024) }]) {
      expect(() => encodeItemValue(value)).toThrow(InvalidArgumentError);
    }
  });

  it("come back as objects of their own", () => {
    const item = toItem({ ...stored, expiresAt: 9, ttlMs: 5 });
    item.namespace.push("changed");
    expect(stored.namespace).toEqual(["a"]);
    expect(item).toMatchObject({ key: "k", value: {}, version: 3, createdAt: new Date(100), expiresAt: new Date(9) });
    expect(toItem(stored)).not.toHaveProperty("expiresAt");
  });
});

describe("namespaces (M1)", () => {
  it("match whole labels only", () => {
    expect(startsWithLabels(["tenant", "ab"], ["tenant", "a"])).toBe(false);
    expect(startsWithLabels(["tenant", "a", "x"], ["tenant", "a"])).toBe(true);
    expect(startsWithLabels(["a"], [])).toBe(true);
    expect(startsWithLabels(["a"], ["a", "b"])).toBe(false);
    expect(endsWithLabels(["a", "b", "c"], ["b", "c"])).toBe(true);
    expect(endsWithLabels(["a", "xb"], ["b"])).toBe(false);
    expect(endsWithLabels(["b"], ["a", "b"])).toBe(false);
    expect(endsWithLabels(["a"], [])).toBe(true);
  });

  it("compare label by label, a prefix first", () => {
    const sorted = [["b"], ["a", "\uffff"], ["a", "😀"], ["a"], ["a!", "a"], []].sort(compareNamespaces);
    expect(sorted).toEqual([[], ["a"], ["a", "\uffff"], ["a", "😀"], ["a!", "a"], ["b"]]);
  });

  it("have 1 to 32 labels, each an identifier", () => {
    const labels = Array.from({ length: 32 }, () => "l");
    const parsed = parseNamespace(labels, "namespace", { allowEmpty: false });
    expect(parsed).toEqual(labels);
    expect(parsed).not.toBe(labels);
    expect(parseNamespace([], "prefix", { allowEmpty: true })).toEqual([]);
    const refused: [unknown, string][] = [
      [[...labels, "l"], "at most 32 labels"],
      [[], "at least one label"],
      [["a", ""], "namespace[1] must not be empty"],
      [["a", 1], "namespace[1] must be a string"],
      [Array.from({ length: 1 }), "namespace[0] must be a string, not undefined"],
      ["a", "namespace must be an array"],
    ];
    for (const [value, message] of refused) {
      expect(() => parseNamespace(value, "namespace", { allowEmpty: false })).toThrow(message);
    }
  });
});
