/**
 * Schema version 2: texts that are too long for a row, in pieces. A row has the number of its text in `long`, and an empty text where the
 * text would stand. The column is the last one: rows of version 1 are as they are, without it.
 */

/** The tables whose rows may have a long text. */
const OWNERS = ["messages", "context_versions", "checkpoint_writes", "items"] as const;

const owner = (table: (typeof OWNERS)[number]): string => `
ALTER TABLE ${table} ADD COLUMN long INTEGER;
CREATE TRIGGER ${table}_leave_no_text AFTER DELETE ON ${table} WHEN old.long IS NOT NULL BEGIN
  DELETE FROM long_texts WHERE id = old.long;
END;
CREATE TRIGGER ${table}_replace_text AFTER UPDATE OF long ON ${table}
WHEN old.long IS NOT NULL AND old.long IS NOT new.long BEGIN
  DELETE FROM long_texts WHERE id = old.long;
END;
`;

export const LONG_TEXTS: string = `
CREATE TABLE long_texts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE text_pieces (
  id INTEGER PRIMARY KEY,
  text INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX text_pieces_by_text ON text_pieces (text, idx);
CREATE TRIGGER long_texts_leave_no_pieces AFTER DELETE ON long_texts BEGIN
  DELETE FROM text_pieces WHERE text = old.id;
END;
${OWNERS.map(owner).join("")}`;
