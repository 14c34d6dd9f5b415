// Text like that of a conversation: as compressible as prose, and the same for the same seed.

const WORDS = (
  "the agent asks what was found in a report about trains to Lyon and which of them leave after noon on Friday it reads " +
  "each page that the search has named writes down what seems to matter compares prices with those of last week checks " +
  "whether seats are left for two people because one ticket alone would not help answers questions again when somebody " +
  "changes their mind about dates hotels museums restaurants weather luggage children bicycles refunds insurance"
).split(" ");

/** So many characters, chosen by the seed. */
export function prose(seed: number, length: number): string {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  next();
  let text = "";
  while (text.length < length) {
    text += next() % 9 === 0 ? `${next() % 100_000} ` : `${WORDS[next() % WORDS.length]} `;
  }
  return text.slice(0, length);
}
