/** A Lua script as it is sent: by its hash, and whole to a server that does not know it. */
import { createHash } from "node:crypto";
import { neededParts } from "./needed-parts.js";

export class Script {
  readonly text: string;
  readonly sha: string;
  /** It may change the store. */
  readonly writes: boolean;
  /** Its reply holds bytes that are no text. */
  readonly binary: boolean;

  /** @param parts functions of which those are left out that it does not call, and what it does */
  constructor(kind: "read" | "write", parts: readonly string[], options: { readonly binary?: boolean } = {}) {
    this.text = neededParts(parts.join("\n"));
    this.sha = createHash("sha1").update(this.text).digest("hex");
    this.writes = kind === "write";
    this.binary = options.binary ?? false;
  }
}
