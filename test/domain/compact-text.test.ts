// Compacted texts: every text comes back, what pays is smaller, and damage is told, never a part of a text.
import { randomBytes } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptionError, UnsupportedError } from "../../src/contract/errors.js";
import { compactText, HEADER_BYTES, plainText, textBytes } from "../../src/domain/compact-text.js";
import { DICTIONARY } from "../../src/domain/segments/dictionary.js";
import { prose } from "./segments/prose.js";

const record = (): string => "write 7";

const message = (content: string): string =>
  JSON.stringify([{ "~waystone": "message", class: "AIMessage", fields: { content, tool_calls: [], id: "run-1" } }]);

function compacted(text: string): Uint8Array {
  const stored = compactText(text);
  if (typeof stored === "string") throw new Error("the text was not compacted");
  return stored;
}

describe("a text", () => {
  const anyText = fc.oneof(
    fc.string({ unit: "binary", maxLength: 2_000 }),
    fc.string({ unit: "grapheme", maxLength: 2_000 }),
    fc.tuple(fc.string({ unit: "binary", maxLength: 20 }), fc.nat(20_000)).map(([part, n]) => part.repeat(n)),
    fc.tuple(fc.nat(1_000), fc.nat(50_000)).map(([seed, length]) => message(prose(seed, length))),
    fc.json(),
  );

  it("comes back as it was, whatever it holds", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const stored = compactText(text);
        expect(plainText(stored, record)).toBe(text);
        if (typeof stored === "string") expect(stored).toBe(text);
        else {
          expect(textBytes(stored)).toBe(Buffer.byteLength(text));
          expect(textBytes(stored.subarray(0, HEADER_BYTES))).toBe(Buffer.byteLength(text));
          expect(stored.length).toBeLessThan(Buffer.byteLength(text) * 0.875);
        }
      }),
    );
  });

  it.each([
    ["with a byte order mark", `\uFEFF${"a".repeat(500)}`],
    ["of characters of four bytes", "😀é\0".repeat(200)],
    ["of the greatest length that is compacted", "a".repeat(256 * 1024)],
  ])("%s comes back", (_name, text) => {
    expect(plainText(compacted(text), record)).toBe(text);
  });

  it("stays readable when it is short, when it is very long, and when nothing is saved", () => {
    // Seven bits of each byte are chance.
    const noise = Buffer.from(randomBytes(1_000).map((byte) => byte & 127)).toString("latin1");
    for (const text of [
      message("hi"),
      "a".repeat(255),
      "é".repeat(128 * 1024 + 1),
      "a".repeat(256 * 1024 + 1),
      noise,
    ]) {
      expect(compactText(text)).toBe(text);
    }
    expect(typeof compactText("a".repeat(256))).toBe("object");
  });

  it("of a message takes little more than half of its bytes, and a call of a tool less", () => {
    expect(compacted(message(prose(1, 1_000))).length).toBeLessThan(650);
    const call = [{ name: "search", args: { to: "Lyon", day: "2031-05-06" }, id: "call_1", type: "tool_call" }];
    const text = JSON.stringify([
      {
        "~waystone": "message",
        class: "AIMessage",
        fields: {
          content: "",
          tool_calls: call,
          id: "run-0198",
          invalid_tool_calls: [],
          additional_kwargs: {},
          response_metadata: {},
        },
      },
    ]);
    expect(compacted(text).length).toBeLessThan(text.length / 2);
  });
});

describe("a compacted text that is damaged", () => {
  const text = message(prose(3, 3_000));
  const stored = compacted(text);
  const named = { name: "CorruptionError", message: "the content of write 7 is damaged" };

  it("is told when a part of it is missing", () => {
    for (let length = 0; length < stored.length; length += 1) {
      expect(() => plainText(stored.subarray(0, length), record)).toThrow(expect.objectContaining(named));
    }
  });

  it("is told, or gives a whole text of its length, when a bit flipped", () => {
    let told = 0;
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const flipped = Uint8Array.from(stored);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      try {
        expect(Buffer.byteLength(plainText(flipped, record))).toBe(Buffer.byteLength(text));
      } catch (error) {
        if (!(error instanceof CorruptionError) && !(error instanceof UnsupportedError)) throw error;
        told += 1;
      }
    }
    expect(told).toBeGreaterThan(stored.length);
  });

  it("is told when it holds more than it claims, or no text", () => {
    const packed = (content: Uint8Array, claimed: number): Uint8Array => {
      const header = Buffer.of(1, claimed & 255, (claimed >> 8) & 255, claimed >> 16);
      return Buffer.concat([header, deflateRawSync(content, { dictionary: DICTIONARY })]);
    };
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    expect(() => plainText(packed(zeros, 1_000), record)).toThrow(expect.objectContaining(named));
    expect(() => plainText(packed(zeros, 0xff_ff_ff), record)).toThrow(expect.objectContaining(named));
    expect(() => plainText(packed(Buffer.alloc(300), 0), record)).toThrow(expect.objectContaining(named));
    expect(() => plainText(packed(Buffer.alloc(300, 0xff), 300), record)).toThrow(expect.objectContaining(named));
    expect(plainText(packed(Buffer.alloc(300, "a"), 300), record)).toBe("a".repeat(300));
  });

  it("of a form that a newer version writes is refused as that", () => {
    expect(() => plainText(Uint8Array.of(9, ...stored.subarray(1)), record)).toThrow(UnsupportedError);
  });
});
