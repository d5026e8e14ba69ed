-- A hardware access token: an organization's or a user's own, never both.
CREATE TABLE qpu_tokens (
    id uuid PRIMARY KEY,
    organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE,
    user_id uuid REFERENCES users (id),
    name text NOT NULL,
    provider text NOT NULL,
    inherited boolean NOT NULL,
    enabled boolean NOT NULL,
    expires_at timestamptz,
    secret_version integer NOT NULL,
    last_used_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT token_name_taken UNIQUE (organization_id, name),
    CONSTRAINT personal_token_name_taken UNIQUE (user_id, name)
);

-- One row per secret version; the fields' ciphertexts stand in the order of their names.
-- Deleting the row destroys the wrapped data key, and with it the credential.
CREATE TABLE qpu_token_secrets (
    qpu_token_id uuid NOT NULL REFERENCES qpu_tokens (id) ON DELETE CASCADE,
    secret_version integer NOT NULL,
    format smallint NOT NULL,
    kek_id text NOT NULL,
    wrapped_data_key bytea NOT NULL,
    field_names text[] NOT NULL,
    ciphertexts bytea[] NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (qpu_token_id, secret_version),
    CHECK (cardinality(field_names) = cardinality(ciphertexts))
);

CREATE INDEX qpu_token_secrets_by_kek ON qpu_token_secrets (kek_id, created_at DESC);

-- A limit on an organization's token: for the whole organization (`user_id` null) or for one user,
-- in the provider's native unit, inside a window.
CREATE TABLE quotas (
    qpu_token_id uuid NOT NULL REFERENCES qpu_tokens (id) ON DELETE CASCADE,
    user_id uuid REFERENCES users (id),
    quota bigint NOT NULL CHECK (quota >= 0),
    quota_used bigint NOT NULL DEFAULT 0 CHECK (quota_used >= 0),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    CONSTRAINT quota_exists UNIQUE NULLS NOT DISTINCT (qpu_token_id, user_id),
    CONSTRAINT quota_window CHECK (starts_at <= ends_at)
);

CREATE INDEX quotas_by_user ON quotas (user_id) WHERE user_id IS NOT NULL;
