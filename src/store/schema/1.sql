-- Times are milliseconds since 1970 (UTC). Look at the views first: they say the same in words.

-- The names of sinks and sources, each written once.
CREATE TABLE names (
    name_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE
) STRICT;

-- How much each table holds, kept by triggers, so that nobody has to count.
CREATE TABLE totals (
    table_name TEXT NOT NULL PRIMARY KEY,
    entries    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES ('ledger', 0, 0), ('attempts', 0, 0), ('dead_letters', 0, 0), ('spool', 0, 0);

-- Which events are settled at which sinks: outcome 0 is delivered, 1 is dead.
CREATE TABLE ledger (
    event_id   BLOB NOT NULL CHECK (length(event_id) = 16),
    sink_id    INTEGER NOT NULL REFERENCES names (name_id),
    outcome    INTEGER NOT NULL CHECK (outcome IN (0, 1)),
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (event_id, sink_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_time ON ledger (settled_at);
CREATE TRIGGER ledger_grows AFTER INSERT ON ledger BEGIN
    UPDATE totals SET entries = entries + 1 WHERE table_name = 'ledger';
END;
CREATE TRIGGER ledger_shrinks AFTER DELETE ON ledger BEGIN
    UPDATE totals SET entries = entries - 1 WHERE table_name = 'ledger';
END;

-- How often an unsettled event was tried at a sink that gives up after so many tries.
CREATE TABLE attempts (
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    sink_id  INTEGER NOT NULL REFERENCES names (name_id),
    attempts INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (event_id, sink_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_time ON attempts (last_at);
CREATE TRIGGER attempts_grow AFTER INSERT ON attempts BEGIN
    UPDATE totals SET entries = entries + 1 WHERE table_name = 'attempts';
END;
CREATE TRIGGER attempts_shrink AFTER DELETE ON attempts BEGIN
    UPDATE totals SET entries = entries - 1 WHERE table_name = 'attempts';
END;

-- Events that a sink refused for good. A key is never used twice.
CREATE TABLE dead_letters (
    letter_key    INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id      BLOB NOT NULL CHECK (length(event_id) = 16),
    sink_id       INTEGER NOT NULL REFERENCES names (name_id),
    source_id     INTEGER NOT NULL REFERENCES names (name_id),
    event_type    TEXT NOT NULL,
    task_id       TEXT,
    file_id       TEXT,
    reason        TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    buried_at     INTEGER NOT NULL,
    text_sum      BLOB NOT NULL,
    text          BLOB NOT NULL,
    UNIQUE (event_id, sink_id)
) STRICT;
CREATE TRIGGER dead_letters_grow AFTER INSERT ON dead_letters BEGIN
    UPDATE totals SET entries = entries + 1, bytes = bytes + length(new.text) WHERE table_name = 'dead_letters';
END;
CREATE TRIGGER dead_letters_change AFTER UPDATE OF text ON dead_letters BEGIN
    UPDATE totals SET bytes = bytes + length(new.text) - length(old.text) WHERE table_name = 'dead_letters';
END;
CREATE TRIGGER dead_letters_shrink AFTER DELETE ON dead_letters BEGIN
    UPDATE totals SET entries = entries - 1, bytes = bytes - length(old.text) WHERE table_name = 'dead_letters';
END;

-- Events that are confirmed and not yet settled at all their sinks, in order of arrival. A key is
-- never used twice.
CREATE TABLE spool (
    spool_key   INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id    BLOB NOT NULL UNIQUE CHECK (length(event_id) = 16),
    source_id   INTEGER NOT NULL REFERENCES names (name_id),
    received_at INTEGER NOT NULL,
    text_sum    BLOB NOT NULL,
    text        BLOB NOT NULL
) STRICT;
CREATE TRIGGER spool_grows AFTER INSERT ON spool BEGIN
    UPDATE totals SET entries = entries + 1, bytes = bytes + length(new.text) WHERE table_name = 'spool';
END;
CREATE TRIGGER spool_shrinks AFTER DELETE ON spool BEGIN
    UPDATE totals SET entries = entries - 1, bytes = bytes - length(old.text) WHERE table_name = 'spool';
END;

-- The sinks that a spooled event still waits for.
CREATE TABLE spool_pending (
    spool_key INTEGER NOT NULL REFERENCES spool (spool_key) ON DELETE CASCADE,
    sink_id   INTEGER NOT NULL REFERENCES names (name_id),
    PRIMARY KEY (spool_key, sink_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spool_pending_by_sink ON spool_pending (sink_id, spool_key);

CREATE VIEW ledger_view AS
SELECT 'vod_' || lower(hex(event_id)) AS event, name AS sink,
       CASE outcome WHEN 0 THEN 'delivered' ELSE 'dead' END AS outcome,
       strftime('%Y-%m-%dT%H:%M:%fZ', settled_at / 1000.0, 'unixepoch') AS settled
FROM ledger JOIN names ON name_id = sink_id;

CREATE VIEW dead_letters_view AS
SELECT letter_key, 'vod_' || lower(hex(event_id)) AS event, event_type, sink.name AS sink,
       source.name AS source, task_id, file_id, reason, attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', first_seen_at / 1000.0, 'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', buried_at / 1000.0, 'unixepoch') AS buried,
       CAST(text AS TEXT) AS text
FROM dead_letters
JOIN names AS sink ON sink.name_id = sink_id
JOIN names AS source ON source.name_id = source_id;

CREATE VIEW spool_view AS
SELECT spool.spool_key, 'vod_' || lower(hex(event_id)) AS event, source.name AS source,
       (SELECT group_concat(name, ' ') FROM spool_pending JOIN names ON name_id = sink_id
        WHERE spool_pending.spool_key = spool.spool_key) AS waits_for,
       strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS received,
       CAST(text AS TEXT) AS text
FROM spool JOIN names AS source ON source.name_id = source_id;
