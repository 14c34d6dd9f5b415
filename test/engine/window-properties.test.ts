// Windows and compactions of generated conversations, compared with a second, forward, way to say what they must be.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/contract/conversation-storage.js";
import { contentBytes, contextEngine, type SessionHandle, type WindowOptions } from "../../src/engine/index.js";
import { conversation, groupingOf, lines } from "./sample-conversations.js";
import { storages } from "./storages.js";

/** Small bounds are as likely as large ones: there the newest group alone does not fit. */
const bound = (max: number) =>
  fc.option(fc.oneof(fc.integer({ min: 1, max }), fc.integer({ min: 1, max: 3 })), { nil: undefined });

const windows: fc.Arbitrary<WindowOptions> = fc.record({
  maxMessages: bound(20),
  maxBytes: bound(300),
  maxTokens: bound(60),
  roles: fc.option(fc.subarray(["user", "assistant", "tool", "system"]), { nil: undefined }),
  atLeastOne: fc.boolean(),
});

const countTokens = ({ content }: Pick<Message, "content">): number => Math.ceil(contentBytes(content) / 7);

function fits(messages: readonly Message[], options: WindowOptions): boolean {
  const { maxBytes = Infinity, maxTokens = Infinity } = options;
  const unbounded = options.maxBytes === undefined && options.maxTokens === undefined;
  const { maxMessages = unbounded ? 50 : Infinity } = options;
  return (
    messages.length <= maxMessages &&
    messages.reduce((sum, { content }) => sum + contentBytes(content), 0) <= maxBytes &&
    messages.reduce((sum, message) => sum + countTokens(message), 0) <= maxTokens
  );
}

/** Messages from `from` on that are wanted and whose group stands there whole. */
function wholeFrom(all: readonly Message[], from: number, wanted: (message: Message) => boolean): Message[] {
  const { groups, orphaned } = groupingOf(all);
  const broken = new Set(orphaned);
  for (const [index, message] of all.entries()) {
    if (index < from || !wanted(message)) broken.add(groups[index] as number);
  }
  return all.filter((_, index) => !broken.has(groups[index] as number));
}

/** What the window must be: everything from the oldest message that still fits, without the groups that it cuts. */
function expectedWindow(all: readonly Message[], options: WindowOptions): Message[] {
  const wanted = ({ role }: Message) => options.roles?.includes(role) ?? true;
  let from = all.length;
  while (from > 0 && fits(all.slice(from - 1).filter(wanted), options)) from -= 1;
  const window = wholeFrom(all, from, wanted);
  if (window.length > 0 || from === 0 || !options.atLeastOne) return window;
  const newest = wholeFrom(all, 0, wanted).at(-1);
  if (newest === undefined) return [];
  const { groups } = groupingOf(all);
  const start = groups.indexOf(groups[all.indexOf(newest)] as number);
  return wholeFrom(all, start, wanted);
}

async function filled(open: (typeof storages)[number]["open"], line: string): Promise<[SessionHandle, Message[]]> {
  const session = await contextEngine(open()).open("s", { userId: "u" });
  return [session, await session.appendAll(conversation(line))];
}

describe.each(storages)("over $name", ({ open }) => {
  it("a window is what fits, never more, and never half a pair", async () => {
    await fc.assert(
      fc.asyncProperty(lines, windows, async (line, options) => {
        const [session, all] = await filled(open, line);
        const { messages, cost, complete, withheld } = await session.window({ ...options, countTokens });
        expect(messages.map(({ seq }) => seq)).toEqual(expectedWindow(all, options).map(({ seq }) => seq));
        expect(messages).toEqual(all.filter((message) => messages.some(({ seq }) => seq === message.seq)));
        expect(cost).toEqual({
          messages: messages.length,
          bytes: messages.reduce((sum, { content }) => sum + contentBytes(content), 0),
          tokens: messages.reduce((sum, message) => sum + countTokens(message), 0),
        });
        if (!options.atLeastOne) expect(fits(messages, options)).toBe(true);
        const shown = new Set(messages.map(({ seq }) => seq));
        for (const [result, call] of groupingOf(all).pairs) expect(shown.has(result + 1)).toBe(shown.has(call + 1));
        const wanted = all.filter(({ role }) => options.roles?.includes(role) ?? true).length;
        if (complete) expect(messages.length + withheld).toBe(wanted);
      }),
      { numRuns: 500 },
    );
  });

  it("a compaction keeps what it must, no more than it must, and splits no pair", async () => {
    const kept = fc.oneof(
      fc.record({ keepLast: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ maxMessages: fc.integer({ min: 1, max: 12 }), maxBytes: bound(300) }),
    );
    await fc.assert(
      fc.asyncProperty(lines, fc.array(kept, { minLength: 1, maxLength: 3 }), async (line, steps) => {
        const [session, all] = await filled(open, line);
        let before = 0;
        for (const options of steps) {
          const summaries: number[][] = [];
          const { compaction, compacted } = await session.compact({
            strategy: "summarize",
            summarize: (messages) => {
              summaries.push(messages.map(({ seq }) => seq));
              return `up to ${messages.at(-1)?.seq}`;
            },
            ...options,
          });
          const through = compaction?.throughSeq ?? 0;
          expect(through).toBe(expectedBoundary(all, before, options));
          expect(compacted).toBe(through > before);
          expect(summaries.flat()).toEqual(all.map(({ seq }) => seq).filter((seq) => seq > before && seq <= through));
          const window = await session.window({ maxMessages: 1000 });
          const tail = wholeFrom(all, through, () => true).map(({ seq }) => seq);
          expect(window.messages.map(({ seq }) => seq)).toEqual(through > 0 ? [through, ...tail] : tail);
          expect(await session.history({ limit: 1000 })).toEqual(all);
          before = through;
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Tries every boundary, from the one that compacts most. */
function expectedBoundary(
  all: readonly Message[],
  before: number,
  options: WindowOptions & { keepLast?: number },
): number {
  const { pairs } = groupingOf(all);
  const candidates = all.map(({ seq }) => seq).filter((seq) => seq > before);
  const whole = candidates.filter(
    (through) => !pairs.some(([result, call]) => call >= before && call < through && result >= through),
  );
  const { keepLast } = options;
  if (keepLast === undefined) {
    if (fits(all.slice(before), options)) return before;
    // The most that fits, and no pair cut: the smallest boundary of which the tail fits.
    return whole.find((through) => fits(all.slice(through), options)) ?? before;
  }
  return whole.findLast((through) => all.length - through >= keepLast) ?? before;
}
