-- First answers to POSTs that carried an Idempotency-Key, kept for a day. The answer may hold a one-time link or a new API
-- key, so it is sealed by the vault; the key that the client chose is kept as a digest only.
CREATE TABLE idempotent_answers (
    user_id uuid NOT NULL REFERENCES users (id),
    key_digest bytea NOT NULL,
    request_digest bytea NOT NULL,
    answer_id uuid NOT NULL,
    sealed_answer bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key_digest)
);

CREATE INDEX idempotent_answers_by_age ON idempotent_answers (created_at);
