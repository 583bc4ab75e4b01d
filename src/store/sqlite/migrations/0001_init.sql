CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('user', 'admin')),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  created_ms INTEGER NOT NULL,
  revoked_ms INTEGER,
  requests_per_minute INTEGER,
  audio_seconds_per_day INTEGER,
  audio_seconds_per_month INTEGER
) STRICT;

-- One row a request that cost something; audio in whole milliseconds, so that sums are exact.
CREATE TABLE usage (
  request_id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  format TEXT NOT NULL,
  audio_ms INTEGER NOT NULL CHECK (audio_ms >= 0),
  processing_ms INTEGER NOT NULL CHECK (processing_ms >= 0),
  status TEXT NOT NULL CHECK (status IN ('completed', 'stopped')),
  at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX usage_by_time ON usage (at_ms);
CREATE INDEX usage_by_key ON usage (key_id, at_ms);

-- The same, added up by UTC day in the same transaction: quotas read this.
CREATE TABLE usage_days (
  day TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  audio_ms INTEGER NOT NULL,
  PRIMARY KEY (key_id, day, model)
) STRICT, WITHOUT ROWID;
