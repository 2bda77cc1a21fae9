-- +goose Up
CREATE TABLE exceptions (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, rule TEXT NOT NULL);
CREATE INDEX exceptions_sort ON exceptions (sort);
