/** A Lua script as it is sent: by its hash, and whole to a server that does not know it. */
import { createHash } from "node:crypto";
import { neededParts } from "./needed-parts.js";

/** Of a tenant's keys the one that never is: a command that names it beside another is refused while the keys of their slot are on two nodes. */
const NEVER = "KEYS[1] .. ':-'";
const IN_CLUSTER = "string.sub(ARGV[2], 1, 1) == '1'";

/**
 * What stands before a script. While a slot moves, a key that is on the other node would pass for one that is not there, and a script that is refused one after its
 * first write would be half done. One that writes begins when all keys are here. One that reads is refused, by the node that the slot leaves, any key that is
 * not there any more; the node that the slot goes to says of those that have not come that they are not.
 */
const ALL_KEYS_ARE_HERE = {
  write: `if ${IN_CLUSTER} then redis.call('EXISTS', KEYS[1], ${NEVER}) end`,
  read: `
if ${IN_CLUSTER} then
  local both = redis.pcall('EXISTS', KEYS[1], ${NEVER})
  if type(both) == 'table' and redis.pcall('EXISTS', ${NEVER}) == 0 then return both end
end`,
};

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

  /** One that does the same behind something else. */
  behind(before: string, around: (own: string) => string = (own) => own): Script {
    return new Script(this.writes ? "write" : "read", [before, around(this.#parts.join("\n"))], {
      binary: this.binary,
    });
  }

  /** When it is first sent: a process needs few of all scripts. */
  #make(): { readonly text: string; readonly sha: string } {
    if (this.#made === undefined) {
      const begin = this.writes ? ALL_KEYS_ARE_HERE.write : ALL_KEYS_ARE_HERE.read;
      const text = neededParts([begin, ...this.#parts].join("\n"));
      this.#made = { text, sha: createHash("sha1").update(text).digest("hex") };
    }
    return this.#made;
  }
}
