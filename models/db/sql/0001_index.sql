-- 0001_index.sql - the index of a models folder. Everything here can be rebuilt from the files.
--
-- A database may serve several models folders (OLLAMA_MODELS comes and goes); store_id is the random
-- id in the folder's .hyperlama file, so that no row holds a path.

CREATE TABLE model (
    store_id          TEXT    NOT NULL,
    name              TEXT    NOT NULL, -- host/namespace/model:tag, spelled as on disk
    digest            TEXT    NOT NULL, -- sha256 of the manifest, 64 hex digits
    size_bytes        INTEGER NOT NULL, -- config and all layers
    manifest_mtime_ns INTEGER NOT NULL, -- the row is stale when the file's differ
    manifest_bytes    INTEGER NOT NULL,
    format            TEXT    NOT NULL, -- from the config blob; '' when it does not say
    family            TEXT    NOT NULL,
    parameter_size    TEXT    NOT NULL,
    quantization      TEXT    NOT NULL,
    PRIMARY KEY (store_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    store_id   TEXT    NOT NULL,
    digest     TEXT    NOT NULL, -- 64 hex digits
    size_bytes INTEGER NOT NULL, -- with the next three: what the file was when its hash was known
    mtime_ns   INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    origin     INTEGER NOT NULL, -- 0 found in the folder (never deleted by us), 1 written, 2 hard-linked
    added_ms   INTEGER NOT NULL,
    PRIMARY KEY (store_id, digest)
) STRICT, WITHOUT ROWID;
