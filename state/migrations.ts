// The schema, one numbered step after the other; `user_version` says how far a file has come.
// A step that has been released is never edited: add the next one.

/** The statements of migration n stand at index n-1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE holders (
    id         TEXT PRIMARY KEY,
    spec       TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,
    holder TEXT NOT NULL REFERENCES holders (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    event  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_holder ON events (holder, seq);

  CREATE TABLE logs (
    holder    TEXT NOT NULL REFERENCES holders (id) ON DELETE CASCADE,
    container TEXT NOT NULL,
    tail      TEXT NOT NULL,
    PRIMARY KEY (holder, container)
  ) STRICT;

  CREATE TABLE definitions (
    family        TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    active        INTEGER NOT NULL DEFAULT 1,
    registered_at INTEGER NOT NULL,
    stopped_at    INTEGER,
    body          TEXT NOT NULL,
    PRIMARY KEY (family, revision)
  ) STRICT;

  CREATE TABLE clusters (
    name   TEXT PRIMARY KEY,
    active INTEGER NOT NULL DEFAULT 1,
    body   TEXT NOT NULL
  ) STRICT;

  CREATE TABLE tags (
    arn   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, key)
  ) STRICT;

  CREATE TABLE runs (
    token   TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    holders TEXT NOT NULL,
    at      INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE images (
    reference TEXT NOT NULL,
    image_id  TEXT NOT NULL,
    pulled_at INTEGER NOT NULL,
    used_at   INTEGER NOT NULL,
    is_ours   INTEGER NOT NULL,
    PRIMARY KEY (reference, image_id)
  ) STRICT;
  `,
  `
  CREATE TABLE services (
    key  TEXT PRIMARY KEY,
    body TEXT NOT NULL
  ) STRICT;

  CREATE TABLE service_events (
    seq     INTEGER PRIMARY KEY,
    service TEXT NOT NULL REFERENCES services (key) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX service_events_by_service ON service_events (service, seq);
  `,
  `
  CREATE TABLE ends (
    holder      TEXT PRIMARY KEY REFERENCES holders (id) ON DELETE CASCADE,
    kind        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    stopped_at  INTEGER NOT NULL,
    had_address INTEGER NOT NULL,
    has_unheard INTEGER NOT NULL,
    body        BLOB NOT NULL
  ) STRICT;
  `,
]
