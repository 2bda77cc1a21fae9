-- +goose Up
-- A noun is kept as its JSON, with the columns that are searched beside it.
CREATE TABLE alerts (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, rule TEXT NOT NULL, incident TEXT NOT NULL, drill TEXT NOT NULL, asset TEXT NOT NULL);
CREATE INDEX alerts_sort ON alerts (sort);
CREATE INDEX alerts_incident ON alerts (incident);
CREATE TABLE incidents (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, drill TEXT NOT NULL, live TEXT NOT NULL);
CREATE INDEX incidents_live ON incidents (live);
CREATE TABLE actions (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, incident TEXT NOT NULL, asset TEXT NOT NULL, requirement TEXT NOT NULL, part TEXT NOT NULL, ended TEXT NOT NULL);
CREATE INDEX actions_incident ON actions (incident);
CREATE INDEX actions_ended ON actions (ended);
CREATE TABLE assets (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE verdicts (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, asset TEXT NOT NULL, "check" TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX verdicts_asset ON verdicts (asset);
CREATE TABLE findings (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, asset TEXT NOT NULL, open TEXT NOT NULL);
CREATE TABLE standings (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, requirement TEXT NOT NULL, asset TEXT NOT NULL);
CREATE TABLE drills (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL, asset TEXT NOT NULL, kind TEXT NOT NULL, incident TEXT NOT NULL);
CREATE TABLE tasks (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, asset TEXT NOT NULL, status TEXT NOT NULL, subject TEXT NOT NULL);
CREATE INDEX tasks_asset ON tasks (asset, status);
CREATE INDEX tasks_subject ON tasks (subject);
CREATE TABLE users (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, secret TEXT NOT NULL);
CREATE TABLE tokens (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, secret TEXT NOT NULL, "user" TEXT NOT NULL, kind TEXT NOT NULL);
CREATE UNIQUE INDEX tokens_secret ON tokens (secret);
CREATE TABLE agents (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL, asset TEXT NOT NULL);

CREATE TABLE facts (asset TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (asset, name));
CREATE TABLE positions (name TEXT PRIMARY KEY, seq BIGINT NOT NULL, snapshot BLOB);
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE segments (id TEXT PRIMARY KEY, day TEXT NOT NULL, oldest BIGINT NOT NULL, newest BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX segments_time ON segments (oldest, newest);
CREATE TABLE ledger (source TEXT PRIMARY KEY, received BIGINT NOT NULL, stored BIGINT NOT NULL, rejected BIGINT NOT NULL, dead BIGINT NOT NULL, doubled BIGINT NOT NULL, last BIGINT NOT NULL);
