-- Invariant: an organization that exists has at least one active admin of its own, whoever asks and however many ask at once.
-- The check runs at the end of the transaction, after it has locked the organization: of two transactions that each
-- take one of the last two admins away, the second waits for the first and then sees what it left.
CREATE FUNCTION require_active_admin(organization uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    organization_name text;
BEGIN
    SELECT name INTO organization_name FROM organizations WHERE id = organization FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT 1
          FROM role_assignments r
          JOIN memberships m USING (organization_id, user_id)
          JOIN users u ON u.id = r.user_id
         WHERE r.organization_id = organization AND r.role = 'admin' AND m.status = 'active' AND u.status = 'active'
    ) THEN
        RAISE check_violation
            USING CONSTRAINT = 'last_admin', MESSAGE = 'an organization keeps at least one active admin',
                  DETAIL = organization_name;
    END IF;
END $$;

CREATE FUNCTION require_active_admin_of_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM require_active_admin(OLD.organization_id);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER keep_an_active_admin AFTER DELETE OR UPDATE ON role_assignments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'admin') EXECUTE FUNCTION require_active_admin_of_row();

CREATE CONSTRAINT TRIGGER keep_an_active_admin AFTER UPDATE OF status ON memberships
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status <> 'active')
    EXECUTE FUNCTION require_active_admin_of_row();

CREATE FUNCTION require_active_admin_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of ids, so that two transactions cannot wait for each other in a circle.
    PERFORM require_active_admin(organization_id)
       FROM (SELECT organization_id FROM role_assignments WHERE user_id = OLD.id AND role = 'admin' ORDER BY 1) held;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER keep_an_active_admin AFTER UPDATE OF status ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status <> 'active')
    EXECUTE FUNCTION require_active_admin_of_user();

-- A new organization comes with its first admin in the same transaction.
CREATE FUNCTION require_first_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM require_active_admin(NEW.id);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER start_with_an_admin AFTER INSERT ON organizations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_first_admin();
