-- Every request to the broker asks whose member somebody uses a token as. As before, but each organization is looked up by its
-- key, however the planner would have it: it takes a table of few rows for one that is read as a whole for nothing.
CREATE OR REPLACE FUNCTION reach(person uuid, owner uuid, inherited boolean, bound_to uuid)
RETURNS TABLE (member_of uuid, admin boolean)
LANGUAGE sql STABLE AS $$
    SELECT (SELECT m.organization_id
              FROM memberships m
              CROSS JOIN LATERAL (SELECT o.path FROM organizations o WHERE o.id = m.organization_id OFFSET 0) o
             WHERE m.user_id = person AND m.status = 'active' AND (bound_to IS NULL OR m.organization_id = bound_to)
               AND owner = ANY (o.path) AND (inherited OR m.organization_id = owner)
             ORDER BY cardinality(o.path) LIMIT 1),
           EXISTS (SELECT
                     FROM role_assignments r
                    WHERE r.user_id = person AND r.role = 'admin' AND (bound_to IS NULL OR r.organization_id = bound_to)
                      AND r.organization_id = ANY ((SELECT o.path FROM organizations o WHERE o.id = owner)::uuid[])
                      AND EXISTS (SELECT FROM memberships m
                                   WHERE m.organization_id = r.organization_id AND m.user_id = person
                                     AND m.status = 'active'))
$$;

-- The same as one value, for a statement that needs it for few of its rows. What is in a function of PL/pgSQL costs nothing where
-- it is not called; a statement pays for each table that is named in it, also for those that it does not look into.
CREATE TYPE reached AS (member_of uuid, admin boolean);

CREATE FUNCTION far_reach(person uuid, owner uuid, inherited boolean, bound_to uuid) RETURNS reached
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found reached;
BEGIN
    SELECT * INTO found FROM reach(person, owner, inherited, bound_to);
    RETURN found;
END
$$;

-- Of the jobs that the request of this number names, how many its caller may see; which version of the token's secret submitted
-- them, if it is still kept, the newest of several; and where the first of them is.
CREATE TYPE jobs_named AS (seen bigint, secret_version integer, place text);

CREATE FUNCTION named_jobs(
    number bigint, numbers bigint[], kinds text[], ids text[], token uuid, person uuid, bound_to uuid
) RETURNS jobs_named
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found jobs_named;
BEGIN
    SELECT count(*), max(s.secret_version), min(j.place) INTO found
      FROM unnest(numbers, kinds, ids) AS named (n, kind, id)
      JOIN jobs j ON j.qpu_token_id = token AND j.kind = named.kind AND j.provider_job_id = named.id
      LEFT JOIN qpu_token_secrets s ON s.qpu_token_id = token AND s.secret_version = j.secret_version
     WHERE named.n = number AND sees_job(person, bound_to, j.user_id, j.organization_id);
    RETURN found;
END
$$;

-- As before; but the own jobs, which most polls are about, are seen without looking further, and what looks further is planned once.
CREATE OR REPLACE FUNCTION sees_job(person uuid, bound_to uuid, submitter uuid, submitted_in uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF submitter = person AND (bound_to IS NULL OR bound_to = submitted_in) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (
        SELECT
          FROM role_assignments r
          JOIN memberships m ON m.organization_id = r.organization_id AND m.user_id = r.user_id AND m.status = 'active'
         WHERE r.user_id = person AND r.role = 'admin' AND (bound_to IS NULL OR r.organization_id = bound_to)
           AND r.organization_id = ANY ((SELECT o.path FROM organizations o WHERE o.id = submitted_in)::uuid[]));
END
$$;
