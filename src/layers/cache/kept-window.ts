/** The newest messages of a conversation as they were read: they answer every read of as many or fewer. */
import type { Message } from "../../contract/conversation-storage.js";
import { type Kept, keepMessage } from "./kept.js";

export class KeptWindow {
  /** How many were asked for. */
  readonly limit: number;
  readonly #messages: readonly Kept<Message>[];
  readonly #lastSeq: number | undefined;
  readonly bytes: number;

  private constructor(limit: number, messages: readonly Kept<Message>[], lastSeq: number | undefined) {
    this.limit = limit;
    this.#messages = messages;
    this.#lastSeq = lastSeq;
    this.bytes = messages.reduce((sum, { bytes }) => sum + bytes, 100);
  }

  /** @param messages the newest `limit` of a conversation, oldest first */
  static of(limit: number, messages: readonly Message[]): KeptWindow {
    return new KeptWindow(limit, messages.map(keepMessage), messages.at(-1)?.seq);
  }

  /** Whether it has all that a read of so many gives. */
  answers(limit: number): boolean {
    return limit <= this.limit || this.#messages.length < this.limit;
  }

  give(limit: number): Message[] {
    return limit === 0 ? [] : this.#messages.slice(-limit).map((message) => message.give());
  }

  /** With messages that were added behind it; `undefined` if they do not follow it at once. */
  with(added: readonly Message[]): KeptWindow | undefined {
    let last = this.#lastSeq;
    for (const { seq } of added) {
      if (last === undefined || seq !== last + 1) return undefined;
      last = seq;
    }
    return new KeptWindow(this.limit, [...this.#messages, ...added.map(keepMessage)].slice(-this.limit), last);
  }
}
