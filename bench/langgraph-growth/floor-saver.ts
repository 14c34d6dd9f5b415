// The floor of the engine: a saver that keeps what it is given, by reference. It serialises nothing, so a turn on it costs what
// LangGraph itself costs. No application could use it: nothing survives, and who changes a message changes history.
import type { RunnableConfig } from "@langchain/core/runnables";
import {
  BaseCheckpointSaver,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  type PendingWrite,
} from "@langchain/langgraph-checkpoint";

export class FloorSaver extends BaseCheckpointSaver {
  readonly #tuples = new Map<string, CheckpointTuple & { readonly pendingWrites: CheckpointPendingWrite[] }>();
  readonly #writes = new Map<string, CheckpointPendingWrite[]>();
  readonly #latest = new Map<string, string>();

  override async getTuple({ configurable }: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return this.#tuples.get(configurable?.checkpoint_id ?? this.#latest.get(configurable?.thread_id) ?? "");
  }

  override async *list(): AsyncGenerator<CheckpointTuple> {
    yield* [...this.#tuples.values()].reverse();
  }

  override async put(
    parentConfig: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
  ): Promise<RunnableConfig> {
    const { thread_id, checkpoint_ns = "" } = parentConfig.configurable ?? {};
    const { id } = checkpoint;
    const config = { configurable: { thread_id, checkpoint_ns, checkpoint_id: id } };
    this.#tuples.set(id, { config, checkpoint, metadata, parentConfig, pendingWrites: this.#writesOf(id) });
    this.#latest.set(thread_id, id);
    return config;
  }

  override async putWrites({ configurable }: RunnableConfig, writes: PendingWrite[], taskId: string): Promise<void> {
    const kept = this.#writesOf(configurable?.checkpoint_id);
    for (const [channel, value] of writes) kept.push([taskId, channel, value]);
  }

  override async deleteThread(): Promise<void> {
    this.#tuples.clear();
    this.#writes.clear();
    this.#latest.clear();
  }

  #writesOf(id: string): CheckpointPendingWrite[] {
    const writes = this.#writes.get(id) ?? [];
    this.#writes.set(id, writes);
    return writes;
  }
}
