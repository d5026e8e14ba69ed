-- A login. Ending a session deletes its row; the audit log remembers it.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    address text NOT NULL,
    user_agent text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);

-- Every refresh token that a session has had: one that comes a second time ends the session.
CREATE TABLE refresh_tokens (
    digest bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE,
    name text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('full', 'read', 'use')),
    digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz
);

CREATE INDEX api_keys_by_user ON api_keys (user_id);

-- Keys that sign access tokens: the private half sealed by the vault, so that a replica can sign and a dump cannot.
CREATE TABLE signing_keys (
    id text PRIMARY KEY,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- Failed logins per account, per address and per pair, counted where all replicas see them and a restart loses nothing.
-- `bucket` is a digest: the table names nobody.
CREATE TABLE login_attempts (
    bucket bytea PRIMARY KEY,
    failures integer NOT NULL,
    window_ends_at timestamptz NOT NULL
);

-- Addresses from which an account was logged in to before. The account's own limit does not hold for them, so nobody can
-- lock somebody else out by failing on purpose.
CREATE TABLE familiar_addresses (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address_digest bytea NOT NULL,
    last_login_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, address_digest)
);
