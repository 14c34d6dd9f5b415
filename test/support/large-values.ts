// Values of many MB of text, or of as many nodes as a value may have: they differ in what takes the time, nodes, characters or bytes.

export const LARGE_VALUES: readonly (readonly [name: string, make: () => unknown])[] = [
  [
    "messages of 1 KB",
    () => Array.from({ length: 15_000 }, (_, i) => ({ role: "user", content: `${i} é `.repeat(140) })),
  ],
  ["one text", () => "a text, again and again ".repeat(680_000)],
  ["bytes", () => ({ bytes: new Uint8Array(12_000_000).map((_, i) => Math.imul(i, 2_654_435_761) >>> 24) })],
  [
    "small objects",
    () => Array.from({ length: 39_000 }, (_, i) => ({ id: i, name: `n${i}`, tags: ["a", `b${i}`], at: { x: i / 3 } })),
  ],
];
