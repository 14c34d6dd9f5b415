/** A message that was checked and encoded at once, as it is when it is given. */
import type { NewStoredMessage } from "../../domain/driver/storage-driver.js";
import { parseMessage } from "../../domain/messages.js";
import { runAtOnce } from "../../domain/slices.js";

/** @throws InvalidArgumentError, SerializationError */
export function encodedMessage(value: unknown, name: string): NewStoredMessage {
  const { value: content, stored } = parseMessage(value, name);
  return stored(typeof content === "string" ? content : String(runAtOnce(content.encode())));
}
