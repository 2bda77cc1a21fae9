-- +goose Up
CREATE TABLE searches (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, owner TEXT NOT NULL, shared TEXT NOT NULL, scheduled TEXT NOT NULL);
CREATE INDEX searches_sort ON searches (sort);
-- What somebody asked a hunt to stop stands beside it, as its runner writes it.
CREATE TABLE hunts (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, kind TEXT NOT NULL);
CREATE INDEX hunts_sort ON hunts (sort);
