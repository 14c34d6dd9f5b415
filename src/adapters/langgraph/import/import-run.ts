/** What the parts of one import share: the two sides, the counts, and what has been told. */
import type { CheckpointStorage } from "../../../contract/checkpoint-storage.js";
import { AbortedError } from "../../../contract/errors.js";
import { WaystoneSaver } from "../saver.js";
import { StateCodec } from "../stored-state.js";
import { ValueCodec } from "../value-codec.js";
import { type TellPart, TheirDecoder } from "./decode-theirs.js";
import { FINDING_KINDS, type FindingKind, type ImportFinding } from "./findings.js";
import type { ImportLangGraphOptions } from "./import-options.js";
import type { CheckpointKey, LangGraphSource } from "./source.js";

export class ImportRun {
  readonly source: LangGraphSource;
  readonly storage: CheckpointStorage;
  readonly options: ImportLangGraphOptions;
  readonly decoder: TheirDecoder;
  /** Stores checkpoints as the application's own saver will. */
  readonly saver: WaystoneSaver;
  readonly codec: StateCodec;
  /** The form in which values of both sides are compared. */
  readonly values: ValueCodec;
  readonly counts = {
    threads: 0,
    read: { checkpoints: 0, writes: 0 },
    imported: { checkpoints: 0, writes: 0 },
    present: { checkpoints: 0, writes: 0 },
    verified: { checkpoints: 0, writes: 0 },
  };
  readonly findings: Record<FindingKind, number>;
  /** Parts of theirs that were told not to be in our store: the verification does not miss them. */
  readonly #leftOut = new Set<string>();

  constructor(source: LangGraphSource, storage: CheckpointStorage, options: ImportLangGraphOptions) {
    const { codecs, serde } = options.saver ?? {};
    this.source = source;
    this.storage = storage;
    this.options = options;
    this.decoder = new TheirDecoder(options.serde);
    this.saver = new WaystoneSaver(storage, { codecs, serde, rememberBytes: 0 });
    this.values = new ValueCodec(codecs ?? []);
    this.codec = new StateCodec(this.values, serde);
    this.findings = Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as Record<FindingKind, number>;
  }

  /** Tells findings about one checkpoint. */
  teller(threadId: string, { namespace, checkpointId }: CheckpointKey): TellPart {
    return (kind, part, imported, reason) => {
      if (!imported) this.#leftOut.add(keyOfPart(threadId, { namespace, checkpointId }, part));
      this.findings[kind] += 1;
      const finding: ImportFinding = { kind, threadId, namespace, checkpointId, part, imported, reason };
      this.options.onFinding?.(finding);
    };
  }

  isLeftOut(threadId: string, key: CheckpointKey, part: string): boolean {
    return this.#leftOut.has(keyOfPart(threadId, key, part));
  }

  /** @throws AbortedError */
  checkSignal(): void {
    const { signal } = this.options;
    if (signal?.aborted) throw new AbortedError("the import was stopped", { cause: signal.reason });
  }
}

function keyOfPart(threadId: string, { namespace, checkpointId }: CheckpointKey, part: string): string {
  return JSON.stringify([threadId, namespace, checkpointId, part]);
}
