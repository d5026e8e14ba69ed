-- The lock of a row is not fair: whoever shares it is let in beside those who share it already, past whoever waits to have it alone. So
-- submissions in numbers kept admins from changing a token. Now everybody takes a turn at the token first, and turns come in the order in
-- which they were asked for. The row is locked as before, for replicas that know of no turns.
CREATE FUNCTION turn_at(token uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT hashtextextended(token::text, 0) $$;

-- For who counts usage: beside others who count. Answers whether there is such a token.
CREATE FUNCTION share_token(token uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(turn_at(token));
    PERFORM 1 FROM qpu_tokens WHERE id = token FOR SHARE;
    RETURN FOUND;
END $$;

-- For who changes the token or its limits: alone. The row is locked afterwards, as strongly as is needed.
CREATE FUNCTION take_turn(token uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(turn_at(token));
    RETURN true;
END $$;

-- What counts is as before, in its turn.
CREATE OR REPLACE FUNCTION reserve_jobs(
    token uuid, version integer, person uuid, organization uuid, wanted_kind text, wanted_place text,
    ids uuid[], amounts bigint[], moment timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    total bigint := (SELECT coalesce(sum(amount), 0) FROM unnest(amounts) amount);
    refusal text;
BEGIN
    IF NOT share_token(token) THEN
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

CREATE OR REPLACE FUNCTION open_job(job uuid, name text, next_check timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    taken jobs%ROWTYPE;
BEGIN
    PERFORM share_token((SELECT qpu_token_id FROM jobs WHERE id = job));
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

CREATE OR REPLACE FUNCTION end_job(job uuid, amount bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ended jobs%ROWTYPE;
BEGIN
    PERFORM share_token((SELECT qpu_token_id FROM jobs WHERE id = job));
    SELECT * INTO ended FROM jobs WHERE id = job AND state IN ('reserved', 'open') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE jobs
       SET state = CASE WHEN amount IS NULL THEN 'expired' ELSE 'settled' END, used = amount, ended_at = moment, check_at = NULL
     WHERE id = job;
    PERFORM 1 FROM quotas WHERE qpu_token_id = ended.qpu_token_id AND (user_id IS NULL OR user_id = ended.user_id)
      ORDER BY user_id NULLS FIRST FOR NO KEY UPDATE;
    UPDATE quotas
       SET reserved = quotas.reserved - ended.reserved,
           quota_used = least(quota_used::numeric + coalesce(amount, 0), 9223372036854775807)
     WHERE qpu_token_id = ended.qpu_token_id AND (user_id IS NULL OR user_id = ended.user_id)
       AND ended.created_at BETWEEN starts_at AND ends_at;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION end_unchanged_job(job uuid, seen text, amount bigint, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM share_token((SELECT qpu_token_id FROM jobs WHERE id = job));
    PERFORM 1 FROM jobs WHERE id = job AND state = seen FOR NO KEY UPDATE;
    RETURN FOUND AND end_job(job, amount, moment);
END $$;

CREATE OR REPLACE FUNCTION lock_jobs(ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM share_token(token) FROM (SELECT DISTINCT qpu_token_id AS token FROM jobs WHERE id = ANY (ids) ORDER BY 1) tokens;
    PERFORM 1 FROM jobs WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    RETURN cardinality(ids);
END $$;

-- Books what an answer tells of several jobs, as end_job does for one. Answers for how many this was it.
CREATE FUNCTION settle_jobs(token uuid, kinds text[], names text[], amounts bigint[], moment timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    used bigint[];
BEGIN
    SELECT array_agg(j.id), array_agg(told.amount) INTO ids, used
      FROM unnest(kinds, names, amounts) AS told (kind, name, amount)
      JOIN jobs j ON j.qpu_token_id = token AND j.kind = told.kind AND j.provider_job_id = told.name AND j.state = 'open';
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM lock_jobs(ids);
    RETURN (SELECT count(*) FROM unnest(ids, used) AS one (id, amount) WHERE end_job(one.id, one.amount, moment));
END $$;
