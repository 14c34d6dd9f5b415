/** A Lua script as it is sent: by its hash, and whole to a server that does not know it. */
import { createHash } from "node:crypto";

export class Script {
  readonly text: string;
  readonly sha: string;
  /** It may change the store. */
  readonly writes: boolean;
  /** Its reply holds bytes that are no text. */
  readonly binary: boolean;

  constructor(kind: "read" | "write", parts: readonly string[], options: { readonly binary?: boolean } = {}) {
    this.text = parts.join("\n");
    this.sha = createHash("sha1").update(this.text).digest("hex");
    this.writes = kind === "write";
    this.binary = options.binary ?? false;
  }
}
