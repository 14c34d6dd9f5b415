/** What a buffered writer sends at once: messages of a conversation, or the sum of what is counted of a session. */
import { randomUUID } from "node:crypto";
import type { ConversationStorage, Message, NewMessage } from "../../contract/conversation-storage.js";
import type { SessionStorage } from "../../contract/session-storage.js";
import { decodeValue } from "../../domain/codec/codec.js";
import { decodeMetadata } from "../../domain/metadata.js";
import { together, updateOf } from "./counts.js";
import type { AppendEntry, CountEntry, Journal, JournalEntry } from "./journal.js";

/** The stores that a buffered writer needs of a storage. */
export type BufferedStorage = Pick<ConversationStorage, "addConversationMessages"> &
  Pick<SessionStorage, "updateSession">;

/** The first entries of those that wait. */
export interface BufferedBatch<Entry extends JournalEntry> {
  readonly entries: readonly Entry[];
  /** May be sent again, whatever became of it before: it is stored once. */
  send(): Promise<unknown>;
  /** Its entries each by itself, where one of them may be at fault; none where they go together or not at all. */
  readonly parts: readonly BufferedBatch<Entry>[];
}

export function batchOfAppends(storage: BufferedStorage, entries: readonly AppendEntry[]): BufferedBatch<AppendEntry> {
  const messages = entries.map(messageOf);
  return {
    entries,
    send: () => storage.addConversationMessages((entries[0] as AppendEntry).sessionId, messages),
    get parts() {
      return entries.length === 1 ? [] : entries.map((entry) => batchOfAppends(storage, [entry]));
    },
  };
}

/** As many of those that wait as one update can say. */
export function batchOfCounts(
  storage: BufferedStorage,
  journal: Journal | undefined,
  waiting: readonly CountEntry[],
): BufferedBatch<CountEntry> {
  const [first, ...rest] = waiting as readonly [CountEntry, ...CountEntry[]];
  const entries = [first];
  let { counts, gathered } = first;
  for (const entry of first.key === null ? rest : []) {
    const sum = together(counts, entry.counts);
    if (sum === undefined || entry.key !== null) break;
    entries.push(entry);
    counts = sum;
    gathered += entry.gathered;
  }
  let key = first.key;
  return {
    entries,
    send: async () => {
      // Before it goes for the first time: whoever sends it again does so with this key, and with nothing added.
      if (key === null) {
        const drawn = randomUUID();
        const { number, sessionId } = first;
        journal?.gather(
          { number, sessionId, counts, gathered, key: drawn },
          entries.map((entry) => entry.number),
        );
        key = drawn;
      }
      await storage.updateSession(first.sessionId, { ...updateOf(counts), idempotencyKey: key });
    },
    parts: [],
  };
}

function messageOf({ messageId, role, content, metadata, timestamp }: AppendEntry): NewMessage {
  return {
    role,
    content: decodeValue(content) as Message["content"],
    metadata: decodeMetadata(metadata),
    messageId,
    timestamp: new Date(timestamp),
  };
}
