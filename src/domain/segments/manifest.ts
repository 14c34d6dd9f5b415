/** What stands in a checkpoint's row: the state itself when it is small, else a line that names the root of its blocks. */
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";

/** The root of a state that is kept in blocks. */
export interface Root {
  /** The name of the root's block. */
  readonly name: string;
  /** 0: the block is text; else a node, whose children are one level lower. */
  readonly level: number;
  /** UTF-8 bytes of the state's text. */
  readonly bytes: number;
}

/** Far more levels than any state has: each divides the number of blocks by two at least. */
const MAX_LEVEL = 64;

const VERSION = 1;

const FORM = /^@(\d{1,9}) (\d{1,2}) (\d{1,15}) ([0-9a-f]{32})$/;

/** The line of a root: `@version level bytes name`. No encoded state begins with `@`. */
export function rootManifest({ level, bytes, name }: Root): string {
  return `@${VERSION} ${level} ${bytes} ${name}`;
}

/** What stands for a state in place of its text (K5): the root's name, which names the content; `null` for a state that is in the row itself. */
export function etagOf(manifest: string): string | null {
  return rootOf(manifest)?.name ?? null;
}

/**
 * The root that a manifest names; `null` for a manifest that is the state itself.
 * @throws CorruptionError, UnsupportedError for one that a newer version has written
 */
export function rootOf(manifest: string): Root | null {
  if (!manifest.startsWith("@")) return null;
  const [, version, level, bytes, name] = FORM.exec(manifest) ?? [];
  if (version !== undefined && Number(version) > VERSION) {
    throw new UnsupportedError(
      `a checkpoint's state has form ${version}, and this version of the package knows ${VERSION}`,
    );
  }
  if (name === undefined || Number(version) !== VERSION || Number(level) > MAX_LEVEL) {
    throw new CorruptionError("the manifest of a checkpoint's state is damaged");
  }
  return { name, level: Number(level), bytes: Number(bytes) };
}
