/** What stands in a checkpoint's row: the state itself when it is small, else a line that names the root of its blocks. */
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";

/** The root of a state that is kept in blocks: a node. */
export interface Root {
  /** The name of the root's block. */
  readonly name: string;
  /** UTF-8 bytes of the state's text. */
  readonly bytes: number;
}

const VERSION = 1;

const FORM = /^@(\d{1,9}) (\d{1,15}) ([0-9a-f]{32})$/;

/** The line of a root: `@version bytes name`. No encoded state begins with `@`. */
export function rootManifest({ bytes, name }: Root): string {
  return `@${VERSION} ${bytes} ${name}`;
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
  const version = /^@(\d{1,9}) /.exec(manifest)?.[1];
  if (version !== undefined && Number(version) > VERSION) {
    throw new UnsupportedError(
      `a checkpoint's state has form ${version}, and this version of the package knows ${VERSION}`,
    );
  }
  const [, known, bytes, name] = FORM.exec(manifest) ?? [];
  if (name === undefined || Number(known) !== VERSION) {
    throw new CorruptionError("the manifest of a checkpoint's state is damaged");
  }
  return { name, bytes: Number(bytes) };
}
