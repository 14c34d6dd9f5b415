// What is kept of a checkpoint beside its values is a copy, whatever it holds.
import { describe, expect, it } from "vitest";
import { type CheckpointFrame, frameOf } from "../../../src/adapters/langgraph/checkpoint-frames.js";

const FRAMES: Record<string, () => object> = {
  "of strings and numbers": () => ({ channel_versions: { a: 1, b: "2" }, versions_seen: { n: { a: 1 }, m: {} } }),
  "with a name that objects have": () => ({
    channel_versions: JSON.parse('{"__proto__":1}'),
    versions_seen: JSON.parse('{"__proto__":{"a":1}}'),
  }),
  "with other versions": () => ({ channel_versions: { a: new Date(0) }, versions_seen: { n: { a: [1] } } }),
  "without what later versions have": () => ({ channel_versions: undefined, versions_seen: undefined }),
};

describe.each(Object.keys(FRAMES))("a frame %s", (name) => {
  it("is copied all the way down, as structuredClone does", () => {
    const frame = { v: 4, id: "c", ts: "t", ...FRAMES[name]?.() } as CheckpointFrame;
    const copy = frameOf(frame);
    expect(copy).toStrictEqual(structuredClone(frame));
    expect(Object.keys(copy)).toEqual(Object.keys(frame));
    const ofFrame = objectsIn(frame);
    expect(objectsIn(copy)).toHaveLength(ofFrame.length);
    for (const object of objectsIn(copy)) expect(ofFrame.includes(object)).toBe(false);
  });
});

/** In the order in which they are met. */
function objectsIn(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsIn)];
}
