-- +goose Up
-- Who carries a duty that only one node may carry at a time. The term grows
-- with every change of hands; times are microseconds of the database's clock.
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, term BIGINT NOT NULL, until BIGINT NOT NULL);
