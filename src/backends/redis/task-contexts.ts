/** Task contexts of the Redis backend (T1-T3). */
import { randomUUID } from "node:crypto";
import { SessionNotFoundError } from "../../contract/errors.js";
import type { TaskContextDriver } from "../../domain/driver/storage-driver.js";
import type { StoredContext } from "../../domain/driver/stored.js";
import { nextContextVersion } from "../../domain/task-contexts.js";
import type { Connection } from "./connection/connection.js";
import { readText, storeTexts, whole } from "./long-texts.js";
import { GET_CONTEXT, LIST_CONTEXTS, SHARE_CONTEXT, STORE_CONTEXT } from "./lua/task-contexts.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";

export function taskContextVerbs(connection: () => Connection): TaskContextDriver {
  return {
    async storeContext(call, sessionId, { context, sizeBytes, metadata, expectedVersion }, fence) {
      const { options } = connection();
      const reply = await storeTexts<Verdict>(connection(), call, [String(context)], ([text]) =>
        connection().run(call, STORE_CONTEXT, [
          sessionId,
          tokenText(fence),
          expectedVersion ?? "",
          randomUUID(),
          options.keepVersions,
          `${sizeBytes}\n${metadata}`,
          text as string,
        ]),
      );
      assertAccepted(reply, sessionId, fence);
      const [verdict, version, createdAt] = reply;
      if (verdict === "V") nextContextVersion(Number(version), expectedVersion);
      return { version: Number(version), context, sizeBytes, metadata, createdAt: Number(createdAt) };
    },

    getContext: (call, sessionId, version) =>
      whole(async () => {
        const args = [sessionId, version ?? ""];
        const [number, info, content] = await connection().run<string[]>(call, GET_CONTEXT, args);
        if (number === undefined || info === undefined) return undefined;
        return parseVersion(number, info, content === undefined ? null : await readText(connection(), call, content));
      }),

    async listContexts(call, sessionId, { limit, before }) {
      const found = await connection().run<string[]>(call, LIST_CONTEXTS, [sessionId, limit, before ?? ""]);
      const rows: StoredContext[] = [];
      for (let i = 0; i < found.length; i += 2) {
        rows.push(parseVersion(found[i] as string, found[i + 1] as string, null));
      }
      return rows;
    },

    async shareContext(call, fromSessionId, withSessionId) {
      const args = [fromSessionId, withSessionId, randomUUID()];
      const [verdict, absent] = await connection().run<[string, string?]>(call, SHARE_CONTEXT, args);
      if (verdict === "N") throw new SessionNotFoundError(absent ?? fromSessionId);
    },
  };
}

/** @param info `createdAt size` and the metadata, a line each */
export function parseVersion(version: string, info: string, context: string | null): StoredContext {
  const line = info.indexOf("\n");
  const [createdAt, sizeBytes] = info.slice(0, line).split(" ");
  return {
    version: Number(version),
    context,
    sizeBytes: Number(sizeBytes),
    metadata: info.slice(line + 1),
    createdAt: Number(createdAt),
  };
}
