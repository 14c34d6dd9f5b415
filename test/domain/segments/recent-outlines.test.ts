// Outlines are remembered within a bound, those of the threads stored to last.
import { Buffer } from "node:buffer";
import { expect, it } from "vitest";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import type { Outline } from "../../../src/domain/segments/outline.js";
import { RecentOutlines } from "../../../src/domain/segments/recent-outlines.js";
import { splitState } from "../../../src/domain/segments/split.js";
import { prose } from "./prose.js";

const outline = (seed: number, length = 10_000, parts = 2): Outline | null => {
  const text = Array.from({ length: parts }, (_, i) => prose(seed + i, length / parts));
  return splitState(new EncodedText([text], Buffer.byteLength(text.join("")))).outline;
};

it("keeps the last outline of a namespace, until its thread is forgotten", () => {
  const recent = new RecentOutlines<string>();
  const [first, second, sub] = [outline(1), outline(2), outline(3)];
  recent.keep("t", "", first);
  recent.keep("t", "sub", sub);
  recent.keep("t", "", second);
  expect([recent.get("t", ""), recent.get("t", "sub"), recent.get("u", "")]).toEqual([second, sub, null]);
  recent.forget("t");
  expect([recent.get("t", ""), recent.bytes]).toEqual([null, 0]);
});

it("stays within its bound: the thread stored to longest ago goes first", () => {
  const recent = new RecentOutlines<number>(50_000);
  for (let i = 0; i < 4; i++) recent.keep(i, "", outline(i));
  recent.keep(0, "", outline(10));
  for (let i = 4; i < 20; i++) {
    recent.keep(i, "", outline(i));
    expect(recent.bytes).toBeLessThanOrEqual(50_000);
    expect(recent.bytes).toBeGreaterThan(10_000);
    expect(recent.get(i, "")).not.toBeNull();
    if (i === 4) expect([recent.get(0, "") === null, recent.get(1, "") === null]).toEqual([false, true]);
  }
  expect(recent.get(0, "")).toBeNull();
  recent.keep(99, "", outline(1, 60_000));
  expect(recent.get(99, "")).toBeNull();
});

it("keeps few namespaces of a thread, and no text of one part or none", () => {
  const recent = new RecentOutlines<string>();
  for (let i = 0; i < 9; i++) recent.keep("t", `n${i}`, outline(i));
  expect([recent.get("t", "n8"), recent.get("t", "n0")].map((each) => each === null)).toEqual([false, true]);
  recent.keep("t", "n8", outline(1, 10_000, 1));
  recent.keep("t", "n7", null);
  expect([recent.get("t", "n8"), recent.get("t", "n7")]).toEqual([null, null]);
  recent.clear();
  expect(recent.bytes).toBe(0);
});
