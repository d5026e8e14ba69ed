-- One account per e-mail address. `email_key` is the address in lower case, written by the service (the database's own
-- lower() depends on its locale).
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL CONSTRAINT email_taken UNIQUE,
    given_name text NOT NULL,
    family_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('invited', 'active', 'disabled')),
    password_hash text,
    home_organization_id uuid REFERENCES organizations (id) ON DELETE SET NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT active_users_have_a_password CHECK (status <> 'active' OR password_hash IS NOT NULL)
);

CREATE TABLE memberships (
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('invited', 'active')),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    joined_at timestamptz,
    CONSTRAINT already_a_member PRIMARY KEY (organization_id, user_id),
    CONSTRAINT active_members_have_joined CHECK ((status = 'active') = (joined_at IS NOT NULL))
);

CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE role_assignments (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'auditor', 'solver')),
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, user_id, role),
    FOREIGN KEY (organization_id, user_id) REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE
);

CREATE INDEX role_assignments_by_user ON role_assignments (user_id);

-- The name that the inviter typed is shown in the directory until the invitation is accepted: what an existing account
-- is called is not the inviter's to learn.
CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_digest bytea NOT NULL UNIQUE,
    given_name text NOT NULL,
    family_name text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (organization_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE
);
