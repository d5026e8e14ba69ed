-- Whether a person, with a key that may be bound to one organization, may see a job: the own ones, and those that were
-- submitted by members of an organization where the person is an admin, or below it.
CREATE FUNCTION sees_job(person uuid, bound_to uuid, submitter uuid, submitted_in uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT (submitter = person AND (bound_to IS NULL OR bound_to = submitted_in))
        OR EXISTS (
            SELECT 1
              FROM organizations o
              JOIN role_assignments r ON r.organization_id = ANY (o.path)
              JOIN memberships m ON m.organization_id = r.organization_id AND m.user_id = r.user_id AND m.status = 'active'
             WHERE o.id = submitted_in AND r.user_id = person AND r.role = 'admin'
               AND (bound_to IS NULL OR r.organization_id = bound_to))
$$;
