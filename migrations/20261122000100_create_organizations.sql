-- The tree. `path` holds the ids from the root down to the row itself, so "is an ancestor of" is one array test
-- and reading authority needs no recursion. The trigger below is the only writer of `path`.
CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    parent_id uuid REFERENCES organizations (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    path uuid[] NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT organization_name_taken UNIQUE (parent_id, name),
    CONSTRAINT tree_too_deep CHECK (cardinality(path) <= 8),
    CONSTRAINT path_ends_here CHECK (path[cardinality(path)] = id)
);

CREATE UNIQUE INDEX only_one_root ON organizations ((parent_id IS NULL)) WHERE parent_id IS NULL;
CREATE INDEX organizations_path ON organizations USING gin (path);

-- Computes the path and refuses cycles. Everything that changes the tree's shape first takes one advisory lock
-- (released with the transaction): two moves that together would make a circle wait for each other.
CREATE FUNCTION place_organization() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent_path uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(7232091001);
    IF NEW.parent_id IS NULL THEN
        NEW.path := ARRAY[NEW.id];
        RETURN NEW;
    END IF;
    SELECT path INTO parent_path FROM organizations WHERE id = NEW.parent_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING CONSTRAINT = 'organizations_parent_id_fkey', MESSAGE = 'no such parent';
    END IF;
    IF NEW.id = ANY (parent_path) THEN
        RAISE check_violation USING CONSTRAINT = 'tree_cycle', MESSAGE = 'an organization cannot be below itself';
    END IF;
    NEW.path := parent_path || NEW.id;
    RETURN NEW;
END $$;

CREATE TRIGGER place_organization BEFORE INSERT OR UPDATE OF parent_id ON organizations
    FOR EACH ROW EXECUTE FUNCTION place_organization();

-- A moved organization takes everything below it along.
CREATE FUNCTION carry_descendants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE organizations
       SET path = NEW.path || path[cardinality(OLD.path) + 1 :]
     WHERE path @> ARRAY[NEW.id] AND id <> NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER carry_descendants AFTER UPDATE OF parent_id ON organizations
    FOR EACH ROW WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION carry_descendants();
