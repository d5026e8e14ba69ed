-- A right to let a solver use a token once, for the member who made it. What the member hands over is kept as a digest only.
-- Redeemed, it has a row in the ledger.
CREATE TABLE leases (
    id uuid PRIMARY KEY,
    qpu_token_id uuid NOT NULL REFERENCES qpu_tokens (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id),
    digest bytea NOT NULL UNIQUE,
    purpose text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    redeemed_by uuid REFERENCES users (id),
    job_id uuid UNIQUE REFERENCES jobs (id) ON DELETE CASCADE,
    CONSTRAINT redeemed_as_a_whole CHECK (num_nonnulls(redeemed_at, redeemed_by, job_id) IN (0, 3)),
    CONSTRAINT redeemed_by_somebody_else CHECK (redeemed_by <> user_id)
);

CREATE INDEX leases_by_token ON leases (qpu_token_id, id);
CREATE INDEX leases_by_user ON leases (user_id) WHERE redeemed_at IS NULL;
CREATE INDEX leases_by_age ON leases (expires_at) WHERE redeemed_at IS NULL;
