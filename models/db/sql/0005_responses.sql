-- Answers of /v1/responses that are kept, so that a conversation goes on from its last one, also after a restart.
--
-- previous_id: the answer that this one went on from; NULL: it began the conversation. That row may be gone: the
-- oldest make room for new ones, and people delete some.
CREATE TABLE response (
    seq           INTEGER PRIMARY KEY,  -- in the order in which they were kept
    id            TEXT    NOT NULL UNIQUE,
    previous_id   TEXT,
    owner         TEXT    NOT NULL,     -- the name of the key that asked; '': none was asked for
    created_ms    INTEGER NOT NULL,
    input_json    TEXT    NOT NULL,     -- the items of this request alone: a list
    response_json TEXT    NOT NULL,     -- as its client got it
    n_bytes       INTEGER NOT NULL      -- of the two texts
) STRICT;
CREATE INDEX response_by_age ON response (seq, n_bytes);
