/** A Lua script as it is sent: by its hash, and whole to a server that does not know it. */
import { createHash } from "node:crypto";
import { neededParts } from "./needed-parts.js";

export class Script {
  /** It may change the store. */
  readonly writes: boolean;
  /** Its reply holds bytes that are no text. */
  readonly binary: boolean;
  readonly #parts: readonly string[];
  #made: { readonly text: string; readonly sha: string } | undefined;

  /** @param parts functions, of which those are left out that are not called, and what is done */
  constructor(kind: "read" | "write", parts: readonly string[], options: { readonly binary?: boolean } = {}) {
    this.writes = kind === "write";
    this.binary = options.binary ?? false;
    this.#parts = parts;
  }

  get text(): string {
    return this.#make().text;
  }

  get sha(): string {
    return this.#make().sha;
  }

  /** When it is first sent: a process needs few of all scripts. */
  #make(): { readonly text: string; readonly sha: string } {
    if (this.#made === undefined) {
      const text = neededParts(this.#parts.join("\n"));
      this.#made = { text, sha: createHash("sha1").update(text).digest("hex") };
    }
    return this.#made;
  }
}
