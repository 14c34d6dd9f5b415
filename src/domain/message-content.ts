/** What a message may hold (C5). */
import type { MessageContent } from "../contract/conversation-storage.js";
import { InvalidArgumentError } from "../contract/errors.js";
import { kindOf } from "./identifiers.js";

/** A string, or a list of parts that each have a `type` (C5); what else a part holds is the codec's to judge. */
export function parseContent(value: unknown, name: string): MessageContent {
  if (typeof value === "string") return value;
  if (!Array.isArray(value))
    throw new InvalidArgumentError(`${name} must be a string or an array of parts, not ${kindOf(value)}`);
  value.forEach((part: unknown, index) => {
    if (part === null || typeof part !== "object" || typeof (part as { type?: unknown }).type !== "string") {
      throw new InvalidArgumentError(`${name}[${index}] must be an object whose type is a string`);
    }
  });
  return value as MessageContent;
}
