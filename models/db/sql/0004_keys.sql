-- 0004_keys.sql - keys by which a server knows who asks. Only people make them.
--
-- A key itself is never kept: whoever reads this table cannot use what it holds.

CREATE TABLE api_key (
    name       TEXT    NOT NULL PRIMARY KEY, -- what people call it; stands in the access log
    sha256     TEXT    NOT NULL UNIQUE,      -- of the whole key, 64 hex digits
    scope      TEXT    NOT NULL CHECK (scope IN ('use', 'manage', 'admin')),
    priority   INTEGER NOT NULL,             -- of its requests, -100..100
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
