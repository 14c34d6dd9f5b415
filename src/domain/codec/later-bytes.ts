/** Bytes of a value that is being stored: copied at the moment of the call, made text of in steps. */
import { Buffer } from "node:buffer";

/** Bytes for one step of text: whole groups of three, so that the steps' texts are one base64. */
const BYTES_AT_ONCE = 48 * 1024;

/** Stands in a tree for the base64 of some bytes. */
export class LaterBytes {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static copyOf(bytes: Uint8Array): LaterBytes {
    const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
    copy.set(bytes);
    return new LaterBytes(copy);
  }

  /** The base64, piece by piece. */
  *texts(): Generator<string, void, void> {
    for (let at = 0; at < this.#bytes.length; at += BYTES_AT_ONCE) {
      yield this.#bytes.toString("base64", at, Math.min(this.#bytes.length, at + BYTES_AT_ONCE));
    }
  }
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
