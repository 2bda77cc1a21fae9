-- +goose Up
-- What changed since somebody looked is found by this: it grows with every change
-- to the table, in the order of commits.
ALTER TABLE incidents ADD COLUMN rev BIGINT NOT NULL DEFAULT 0;
CREATE INDEX incidents_rev ON incidents (rev);
