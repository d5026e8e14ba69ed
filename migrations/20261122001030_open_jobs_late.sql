-- Opens a job that the provider took, under the provider's name for it. A reservation may have been given up before the provider
-- answered, or before that could be written down: what was taken is a job all the same, and what was reserved for it is promised anew,
-- whether there is room for it or not. Answers whether this was it: not if the name is a job's already, or the job has one.
CREATE FUNCTION open_job(job uuid, name text, next_check timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    taken jobs%ROWTYPE;
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id = (SELECT qpu_token_id FROM jobs WHERE id = job) FOR SHARE;
    SELECT * INTO taken FROM jobs
     WHERE id = job AND provider_job_id IS NULL AND state IN ('reserved', 'expired') FOR NO KEY UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM jobs known
                             WHERE known.qpu_token_id = taken.qpu_token_id AND known.kind = taken.kind
                               AND known.provider_job_id = name) THEN
        RETURN false;
    END IF;
    UPDATE jobs SET provider_job_id = name, state = 'open', ended_at = NULL, check_at = next_check WHERE id = job;
    IF taken.state = 'expired' THEN
        PERFORM 1 FROM quotas WHERE qpu_token_id = taken.qpu_token_id AND (user_id IS NULL OR user_id = taken.user_id)
          ORDER BY user_id NULLS FIRST FOR NO KEY UPDATE;
        UPDATE quotas SET reserved = quotas.reserved + taken.reserved
         WHERE qpu_token_id = taken.qpu_token_id AND (user_id IS NULL OR user_id = taken.user_id)
           AND taken.created_at BETWEEN starts_at AND ends_at;
    END IF;
    RETURN true;
END $$;

-- Whoever opens or ends several jobs in one transaction locks their token and all of them first, in one order: the worker ends one
-- of them at a time, and holds it while it waits for the limits.
CREATE FUNCTION lock_jobs(ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id IN (SELECT qpu_token_id FROM jobs WHERE id = ANY (ids)) ORDER BY id FOR SHARE;
    PERFORM 1 FROM jobs WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    RETURN cardinality(ids);
END $$;

-- As before; but a reservation lasts as long as a submission may take: ten minutes until it has come, a hundred seconds until the
-- provider answers, five minutes until that is read, and some more.
CREATE OR REPLACE FUNCTION reserve_jobs(
    token uuid, version integer, person uuid, organization uuid, wanted_kind text, wanted_place text,
    ids uuid[], amounts bigint[], moment timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    total bigint := (SELECT coalesce(sum(amount), 0) FROM unnest(amounts) amount);
    refusal text;
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id = token FOR SHARE;
    IF NOT FOUND THEN
        RETURN 'token_gone';
    END IF;
    PERFORM 1 FROM quotas WHERE qpu_token_id = token AND (user_id IS NULL OR user_id = person)
      ORDER BY user_id NULLS FIRST FOR NO KEY UPDATE;
    refusal := limit_in_the_way(token, person, total, moment);
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    UPDATE quotas SET reserved = reserved + total
     WHERE qpu_token_id = token AND (user_id IS NULL OR user_id = person);
    INSERT INTO jobs (id, qpu_token_id, secret_version, user_id, organization_id, kind, place, state, reserved, created_at, check_at)
    SELECT one.id, token, version, person, organization, wanted_kind, wanted_place, 'reserved', one.amount, moment,
           moment + interval '20 minutes'
      FROM unnest(ids, amounts) AS one (id, amount);
    RETURN NULL;
END $$;
