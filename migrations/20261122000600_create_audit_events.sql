-- Who did what to what, when, from where, with which outcome. No foreign keys: the log outlives what it tells of.
-- `path` is where the organization was in the tree, so that those above can still read of one that has been deleted.
CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    organization_id uuid,
    path uuid[] NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'command', 'anonymous')),
    actor_id uuid,
    actor_name text NOT NULL,
    credential_id uuid,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id uuid,
    outcome text NOT NULL CHECK (outcome IN ('success', 'refused')),
    address text,
    request_id text,
    details jsonb NOT NULL
);

CREATE INDEX audit_events_by_organization ON audit_events (organization_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'audit events are only ever added';
END $$;

CREATE TRIGGER audit_events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
