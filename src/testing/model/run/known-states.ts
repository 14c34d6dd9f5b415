/** States that a program has stored or read, by their etags: what a caller has who asks for the others only (K5). */
import { isDeepStrictEqual } from "node:util";
import type { Checkpoint, CheckpointInfo, GetCheckpointOptions } from "../../../contract/checkpoint-storage.js";
import { earlierEtag } from "../programs/command.js";

interface KnownState {
  readonly tenant: string;
  readonly threadId: string;
  readonly etag: string;
  readonly data: unknown;
}

export class KnownStates {
  #states: KnownState[] = [];

  /** The options with an etag of the store. One that stands for nothing stays: it is a string that no store gave. */
  withEtag(tenant: string, threadId: string, options: GetCheckpointOptions): GetCheckpointOptions {
    if (options.ifNoneMatch === undefined) return options;
    const known = this.#of(tenant, threadId);
    const state = known.find((_, i) => earlierEtag(known.length - 1 - i) === options.ifNoneMatch);
    return state === undefined ? options : { ...options, ifNoneMatch: state.etag };
  }

  /** Notes a state that the store has given an etag. `false` if another state of the thread has had that etag. */
  learn(tenant: string, threadId: string, { etag }: CheckpointInfo, data: unknown): boolean {
    if (etag === undefined) return true;
    const state = this.#of(tenant, threadId).find((each) => each.etag === etag);
    if (state !== undefined) return isDeepStrictEqual(state.data, data);
    this.#states.push({ tenant, threadId, etag, data: structuredClone(data) });
    return true;
  }

  /** A checkpoint with the state that the caller had, `undefined` if that is not what the store may leave out. */
  completed(
    tenant: string,
    threadId: string,
    asked: GetCheckpointOptions | undefined,
    { notModified: _notModified, ...found }: Checkpoint,
  ): Checkpoint | undefined {
    const state = this.#of(tenant, threadId).find(({ etag }) => etag === found.etag);
    if (state === undefined || asked?.ifNoneMatch !== found.etag || found.data !== undefined) return undefined;
    return { ...found, data: state.data };
  }

  forget(): void {
    this.#states = [];
  }

  #of(tenant: string, threadId: string): KnownState[] {
    return this.#states.filter((each) => each.tenant === tenant && each.threadId === threadId);
  }
}
