// A state whose text comes in pieces is split, packed and restored in steps, as one that comes whole (K4, K5).
import { expect, it } from "vitest";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import { collectInSteps, joinInSteps, restoreState } from "../../../src/domain/segments/restore.js";
import { splitInSteps, splitState } from "../../../src/domain/segments/split.js";
import { runAtOnce } from "../../../src/domain/slices.js";
import { prose } from "./prose.js";

const isNew = (): boolean => false;

it("the blocks are those of the text in one piece, and give it back", () => {
  for (const characters of [3_000, 70_000, 900_000]) {
    const texts = [`"${prose(characters, characters)}`, "é😀".repeat(500), prose(7, characters), '"'];
    const text = EncodedText.ofPieces(texts, Buffer.byteLength(texts.join("")));
    const state = runAtOnce(splitInSteps(text, null));
    const whole = splitState(texts.join(""));
    expect([state.manifest, state.newBytes]).toEqual([whole.manifest, whole.newBytes]);
    runAtOnce(state.packInSteps(isNew));
    const blocks = [...state.newBlocks(isNew)];
    expect(blocks).toEqual([...whole.newBlocks(isNew)]);

    const stored = new Map(blocks.map(({ name, data }) => [name, data]));
    const read = (names: readonly string[]) => names.map((name) => stored.get(name));
    const collected = runAtOnce(collectInSteps(state.manifest, read));
    expect(String(runAtOnce(joinInSteps(collected))) === texts.join("")).toBe(true);
    expect(restoreState(state.manifest, read) === texts.join("")).toBe(true);
    const [damaged] = [...stored.keys()].slice(-1);
    stored.set(damaged as string, Buffer.from([0, 1, 2]));
    expect(() => runAtOnce(joinInSteps(runAtOnce(collectInSteps(state.manifest, read))))).toThrow(/damaged|no node/);
  }
});
