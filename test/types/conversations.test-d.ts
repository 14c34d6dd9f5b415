// Contents: a text, or parts of which the type is known and the rest is the caller's.
import { expectTypeOf, test } from "vitest";
import type { ContentPart, Message, MessageContent, MessageRole, StorageBackend } from "waystone";

declare const storage: StorageBackend;

test("a content is a text or a list of parts", () => {
  expectTypeOf<Message["content"]>().toEqualTypeOf<string | readonly ContentPart[]>();
  expectTypeOf<string>().toExtend<MessageContent>();
  expectTypeOf<{ type: "text"; text: string }[]>().toExtend<MessageContent>();
  expectTypeOf<{ type: "image"; data: Uint8Array; mediaType: string }[]>().toExtend<MessageContent>();
  expectTypeOf<
    readonly [{ type: "tool-call"; toolCallId: string; input: { city: string } }]
  >().toExtend<MessageContent>();
});

test("a part without a type, and a content that is an object, do not compile", () => {
  expectTypeOf<{ text: string }[]>().not.toExtend<MessageContent>();
  expectTypeOf<{ type: string }>().not.toExtend<MessageContent>();
  expectTypeOf<number>().not.toExtend<MessageContent>();
});

test("what a part holds beside its type is unknown", () => {
  const part = {} as ContentPart;
  expectTypeOf(part.type).toBeString();
  expectTypeOf(part.text).toBeUnknown();
});

test("any role is legal", () => {
  expectTypeOf<"assistant">().toExtend<MessageRole>();
  expectTypeOf<"critic">().toExtend<MessageRole>();
  expectTypeOf<Message["role"]>().toExtend<string>();
});

test("a range has bounds by seq or is everything", () => {
  storage.deleteConversationMessages("s", "all");
  storage.deleteConversationMessages("s", { after: 3, before: undefined });
  // @ts-expect-error: no other word
  storage.deleteConversationMessages("s", "none");
});
