-- +goose Up
CREATE TABLE hunt_asks (id TEXT PRIMARY KEY, sort BIGINT NOT NULL, body TEXT NOT NULL);
