/** Conversations: order, content, repeated ids, all or nothing, deletion (C1, C4, C5). */
import type { MessageContent, NewMessage } from "../../contract/conversation-storage.js";
import { equal, label, present, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const conversationClauses: ClauseGroup = clauseGroup("conversations", (clause) => {
  clause("C1 addConversationMessage returns the stored message, and history the same", async ({ storage }) => {
    await storage.createSession("s", "u");
    const timestamp = new Date(1_700_000_000_123);
    const message = await storage.addConversationMessage("s", "assistant", "hello", {
      metadata: { a: 1 },
      messageId: "m",
      timestamp,
    });
    equal(message, {
      sessionId: "s",
      seq: 1,
      messageId: "m",
      role: "assistant",
      content: "hello",
      metadata: { a: 1 },
      timestamp,
    });
    equal(await storage.getConversationHistory("s"), [message]);
  });

  clause("C1 seq counts from 1 without gaps, over single messages and batches", async ({ storage }) => {
    await storage.createSession("s", "u");
    const first = await storage.addConversationMessage("s", "user", "1");
    const batch = await storage.addConversationMessages(
      "s",
      times(3, (i) => ({ role: "user", content: `${i + 2}` })),
    );
    const last = await storage.addConversationMessage("s", "user", "5");
    equal(
      [first, ...batch, last].map((message) => [message.seq, message.content]),
      times(5, (i) => [i + 1, `${i + 1}`]),
    );
    equal(await storage.getConversationHistory("s"), [first, ...batch, last]);
    const session = present(await storage.getSession("s"), "the session");
    equal([session.messageCount, session.lastSeq], [5, 5]);
  });

  clause("C1 concurrent writers get every seq exactly once, without gaps", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const added = await Promise.all(times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`)));
    equal(
      added.map((message) => message.seq).sort((a, b) => a - b),
      times(scale.racers, (i) => i + 1),
    );
    const history = await storage.getConversationHistory("s", { limit: 1_000 });
    equal(
      history,
      [...added].sort((a, b) => a.seq - b.seq),
    );
  });

  clause(
    "C1 the messages of a batch follow each other, also while other batches are added",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      await Promise.all(
        times(scale.racers, (writer) =>
          storage.addConversationMessages(
            "s",
            times(5, (i) => ({ role: "user", content: `${writer}.${i}` })),
          ),
        ),
      );
      const history = await storage.getConversationHistory("s", { limit: 1_000 });
      equal(
        history.map((message) => message.seq),
        times(scale.racers * 5, (i) => i + 1),
      );
      for (let start = 0; start < history.length; start += 5) {
        const writer = String(history[start]?.content).split(".")[0];
        equal(
          history.slice(start, start + 5).map((message) => message.content),
          times(5, (i) => `${writer}.${i}`),
        );
      }
    },
  );

  clause("C1 each session has a seq of its own", async ({ storage }) => {
    for (const id of ["a", "b"]) await storage.createSession(id, "u");
    for (const id of ["a", "b", "a"]) await storage.addConversationMessage(id, "user", id);
    equal((await storage.addConversationMessage("b", "user", "b")).seq, 2);
    equal(
      (await storage.getConversationHistory("a")).map((message) => message.content),
      ["a", "a"],
    );
  });

  clause("C1 timestamps of the caller are kept and order nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    const instants = [5_000, -1, 8.64e15, 1, 5_000];
    for (const instant of instants)
      await storage.addConversationMessage("s", "user", "a", { timestamp: new Date(instant) });
    const history = await storage.getConversationHistory("s");
    equal(
      history.map((message) => message.timestamp.getTime()),
      instants,
    );
    equal(
      history.map((message) => message.seq),
      [1, 2, 3, 4, 5],
    );
  });

  clause("C1 a message without timestamp has the store's time", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    clock.advance(1_234);
    equal((await storage.addConversationMessage("s", "user", "a")).timestamp, new Date(clock.now()));
    equal((await storage.getConversationHistory("s"))[0]?.timestamp, new Date(clock.now()));
  });

  clause("C1 a timestamp that is no valid Date is refused", async ({ storage }) => {
    await storage.createSession("s", "u");
    await unchanged(storage, async () => {
      for (const timestamp of [new Date(Number.NaN), "2020-01-01", 5, null]) {
        await refused(
          storage.addConversationMessage("s", "user", "a", { timestamp: timestamp as Date }),
          String(timestamp),
        );
      }
    });
  });

  clause("C5 content is a string or parts, kept as given", async ({ storage }) => {
    await storage.createSession("s", "u");
    const contents: MessageContent[] = [
      "",
      'text\nwith "quotes" and \u{1f600}',
      [],
      [{ type: "text", text: "a" }],
      [{ type: "" }, { type: "text", text: "" }],
      [
        { type: "text", text: "let me look" },
        { type: "tool_call", id: "call_1", name: "search", arguments: { q: "weather", filters: [{ day: 1 }] } },
        { type: "image", mediaType: "image/png", data: new Uint8Array([137, 80, 78, 71]) },
        { type: "tool_result", id: "call_1", result: { rows: [[1, null]], at: new Date(0) }, isError: false },
      ],
    ];
    for (const content of contents)
      equal((await storage.addConversationMessage("s", "user", content)).content, content);
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      contents,
    );
  });

  clause(
    "C5 content that is neither a string nor parts with a type is refused, and nothing is stored",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      const contents: unknown[] = [
        null,
        undefined,
        1,
        true,
        {},
        { type: "text" },
        ["a"],
        [null],
        [{}],
        [{ type: 1 }],
        [{ type: "text" }, { text: "a" }],
        new Map(),
        () => "a",
      ];
      await unchanged(storage, async () => {
        for (const content of contents) {
          await refused(storage.addConversationMessage("s", "user", content as string), label(content));
          await refused(
            storage.addConversationMessages("s", [
              { role: "user", content: "fine" },
              { role: "user", content: content as string },
            ]),
          );
        }
      });
    },
  );

  clause("C6 addConversationMessages adds all or nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "kept");
    const fine: NewMessage = { role: "user", content: "fine" };
    const faults: object[] = [
      { role: "", content: "a" },
      { role: "user" },
      { content: "a" },
      { role: "user", content: "a", messageId: "" },
      { role: "user", content: "a", timestamp: "now" },
      { role: "user", content: "a", metadata: { a: Number.NaN } },
      { role: "user", content: "a", seq: 9 },
    ];
    await unchanged(storage, async () => {
      for (const fault of faults) {
        for (const batch of [
          [fault, fine],
          [fine, fault],
          [fine, fault, fine],
        ]) {
          await refused(storage.addConversationMessages("s", batch as NewMessage[]), label(fault));
        }
      }
      await refused(storage.addConversationMessages("s", fine as unknown as NewMessage[]), "no list");
      await refused(storage.addConversationMessages("s", [null as unknown as NewMessage]), "null");
    });
    equal((await storage.addConversationMessage("s", "user", "next")).seq, 2);
  });

  clause(
    "C6 an empty list of messages for an absent session or under a superseded lease is refused",
    async ({ storage }) => {
      await rejects("SESSION_NOT_FOUND", storage.addConversationMessages("s", []));
      await storage.createSession("s", "u");
      const lease = await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 });
      await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 });
      await rejects("FENCED", storage.addConversationMessages("s", [], { lease }));
    },
  );

  clause("C6 an empty list of messages gives an empty list and changes nothing", async ({ storage }) => {
    await storage.createSession("s", "u");
    equal(await unchanged(storage, () => storage.addConversationMessages("s", [])), []);
  });

  clause("C1 a thousand messages in one batch keep their order", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      times(1_000, (i) => ({ role: "user", content: `${i}` })),
    );
    const history = await storage.getConversationHistory("s", { limit: 10_000 });
    equal(
      history.map((message) => message.content),
      times(1_000, (i) => `${i}`),
    );
  });
});
