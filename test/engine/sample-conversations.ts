// Conversations to test windows with: written down shortly, or generated; and which of their messages belong together.
import fc from "fast-check";
import type { ContentPart, Message, NewMessage } from "../../src/contract/conversation-storage.js";

/**
 * Messages of a line of words: `u` user, `s` system, `a` assistant, `a>1>2` assistant that calls the tools 1 and 2, `t<1` a tool's
 * result. A number after `*` repeats the text so many times.
 */
export function conversation(line: string): NewMessage[] {
  return line
    .split(" ")
    .filter((word) => word !== "")
    .map((word, index) => {
      const [head = "", size = "1"] = word.split("*");
      const role = { u: "user", s: "system", a: "assistant", t: "tool" }[head.charAt(0)] ?? "user";
      const parts: ContentPart[] = [{ type: "text", text: String(index + 1).repeat(Number(size)) }];
      for (const [, kind, id] of head.matchAll(/([<>])(\w+)/g)) {
        parts.push(
          kind === ">"
            ? { type: "tool-call", toolCallId: String(id) }
            : { type: "tool-result", toolCallId: String(id) },
        );
      }
      return { role, content: parts };
    });
}

/** Words for `conversation`: few ids, so that calls and results are repeated, crossed and left alone. */
export const lines: fc.Arbitrary<string> = fc
  .array(
    fc
      .oneof(
        { weight: 3, arbitrary: fc.constantFrom("u", "a", "s") },
        {
          weight: 3,
          arbitrary: fc
            .subarray(["1", "2", "3"], { minLength: 1 })
            .map((ids) => `a${ids.map((id) => `>${id}`).join("")}`),
        },
        {
          weight: 4,
          arbitrary: fc
            .subarray(["1", "2", "3"], { minLength: 1, maxLength: 2 })
            .map((ids) => `t${ids.map((id) => `<${id}`).join("")}`),
        },
        { weight: 1, arbitrary: fc.constantFrom("t<1>1", "a>2<2", "a>1>1", "t<9") },
      )
      .chain((word) => fc.nat(4).map((size) => `${word}*${size + 1}`)),
    { maxLength: 40 },
  )
  .map((words) => words.join(" "));

/** Which messages belong together, told forwards: each result belongs to the nearest call of its id before it. */
export interface Grouping {
  /** Group of each message. */
  readonly groups: readonly number[];
  /** Groups that have a result without a call. */
  readonly orphaned: ReadonlySet<number>;
  /** Positions of result and call. */
  readonly pairs: readonly (readonly [result: number, call: number])[];
}

export function groupingOf(messages: readonly Pick<Message, "content">[]): Grouping {
  const groups = messages.map((_, index) => index);
  const lastCall = new Map<unknown, number>();
  const pairs: [number, number][] = [];
  const orphans: number[] = [];
  for (const [index, { content }] of messages.entries()) {
    for (const part of typeof content === "string" ? [] : content) {
      if (part.type === "tool-call") lastCall.set(part.toolCallId, index);
      if (part.type !== "tool-result") continue;
      const call = lastCall.get(part.toolCallId);
      if (call === undefined) orphans.push(index);
      else pairs.push([index, call]);
    }
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const [result, call] of pairs) {
      const least = Math.min(groups[result] as number, groups[call] as number);
      changed ||= groups[result] !== least || groups[call] !== least;
      groups[result] = least;
      groups[call] = least;
    }
  }
  return { groups, orphaned: new Set(orphans.map((index) => groups[index] as number)), pairs };
}
