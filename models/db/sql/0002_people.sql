-- 0002_people.sql - what only people can make: usage, bench results, chats.
--
-- These tables cannot be rebuilt; they are copied to a backup file before any later migration.

CREATE TABLE usage (
    name         TEXT    NOT NULL PRIMARY KEY, -- host/namespace/model:tag in lower case
    last_used_ms INTEGER NOT NULL,
    n_uses       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bench_result (
    id        INTEGER PRIMARY KEY,
    machine   TEXT    NOT NULL,
    cpu       TEXT    NOT NULL,
    build     TEXT    NOT NULL,
    commit_id TEXT    NOT NULL, -- '' not known
    date_ms   INTEGER NOT NULL,
    model     TEXT    NOT NULL,
    digest    TEXT    NOT NULL, -- '' not known
    metric    TEXT    NOT NULL,
    n         INTEGER NOT NULL, -- what the metric is taken at: prompt tokens, users; 0 nothing
    value     REAL    NOT NULL,
    unit      TEXT    NOT NULL
) STRICT;
CREATE INDEX bench_result_by_metric ON bench_result (metric, model, date_ms);

CREATE TABLE chat (
    id         INTEGER PRIMARY KEY,
    title      TEXT    NOT NULL,
    model      TEXT    NOT NULL, -- the name as the user said it
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_by_update ON chat (updated_ms);

CREATE TABLE chat_message (
    chat_id    INTEGER NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL, -- 0, 1, 2 ... within the chat
    role       TEXT    NOT NULL,
    content    TEXT    NOT NULL,
    thinking   TEXT    NOT NULL, -- '' none
    extra_json TEXT    NOT NULL, -- tool calls, counts: '{}' none
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq)
) STRICT, WITHOUT ROWID;
