-- What members have at a provider: jobs, and the uploads and sessions that they need for them. Whoever made one may come back
-- to it, with the version of the token's secret that made it. A row begins as a reservation, before the provider is asked,
-- and is the ledger's entry once it is settled.
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    qpu_token_id uuid NOT NULL REFERENCES qpu_tokens (id) ON DELETE CASCADE,
    secret_version integer NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id),
    -- Whose member the user was when using the token; null for a personal token.
    organization_id uuid REFERENCES organizations (id) ON DELETE SET NULL,
    kind text NOT NULL CHECK (kind IN ('job', 'upload', 'session', 'lease')),
    -- What the provider's adapter needs to find it again, such as a region.
    place text NOT NULL,
    -- Null until the provider has answered.
    provider_job_id text,
    state text NOT NULL CHECK (state IN ('reserved', 'open', 'settled', 'expired')),
    -- In the provider's native unit, as quotas are.
    reserved bigint NOT NULL CHECK (reserved >= 0),
    used bigint CHECK (used >= 0),
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    -- When to ask the provider next; null if there is nothing to ask.
    check_at timestamptz,
    checks integer NOT NULL DEFAULT 0,
    CONSTRAINT job_is_known UNIQUE (qpu_token_id, kind, provider_job_id),
    CONSTRAINT settled_jobs_have_a_figure CHECK ((state = 'settled') = (used IS NOT NULL)),
    CONSTRAINT ended_jobs_hold_nothing CHECK ((state IN ('reserved', 'open')) = (ended_at IS NULL))
);

CREATE INDEX jobs_by_use ON jobs (qpu_token_id, created_at);
CREATE INDEX jobs_by_user ON jobs (user_id);
CREATE INDEX jobs_by_organization ON jobs (organization_id);
CREATE INDEX jobs_to_check ON jobs (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX jobs_by_secret ON jobs (qpu_token_id, secret_version, ended_at);
