-- +goose Up
-- The ledger by source and hour. What was counted before stands under hour 0.
CREATE TABLE ledger_hours (source TEXT NOT NULL, hour BIGINT NOT NULL, received BIGINT NOT NULL, stored BIGINT NOT NULL, rejected BIGINT NOT NULL, dead BIGINT NOT NULL, doubled BIGINT NOT NULL, reparsed BIGINT NOT NULL, dropped BIGINT NOT NULL, dropped_dead BIGINT NOT NULL, last BIGINT NOT NULL, PRIMARY KEY (source, hour));
CREATE INDEX ledger_hours_hour ON ledger_hours (hour);
INSERT INTO ledger_hours (source, hour, received, stored, rejected, dead, doubled, reparsed, dropped, dropped_dead, last) SELECT source, 0, received, stored, rejected, dead, doubled, 0, 0, 0, last FROM ledger;
ALTER TABLE ledger ADD COLUMN reparsed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN dropped BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN dropped_dead BIGINT NOT NULL DEFAULT 0;
-- Dead letters that a mended parser could read, and the events they became.
CREATE TABLE reparsed (dead TEXT PRIMARY KEY, event TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE drops (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX drops_sort ON drops (sort);
CREATE TABLE retentions (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE holds (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, live TEXT NOT NULL);
