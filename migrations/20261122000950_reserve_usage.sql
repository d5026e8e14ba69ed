-- What is promised to jobs that are on their way. `quota_used` and `reserved` are sums over the jobs of the window, kept with
-- the limit so that a submission reads two rows and not all jobs.
ALTER TABLE quotas ADD COLUMN reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0);

-- Which limit stands in the way of a person who would use so much more of a token: null if none does.
CREATE FUNCTION limit_in_the_way(token uuid, person uuid, amount bigint, moment timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN moment < starts_at OR moment > ends_at THEN 'quota_not_active' ELSE 'quota_exhausted' END
      FROM quotas
     WHERE qpu_token_id = token AND (user_id IS NULL OR user_id = person)
       AND (moment < starts_at OR moment > ends_at OR quota_used + reserved >= quota
            OR quota_used + reserved + amount > quota)
     ORDER BY (moment < starts_at OR moment > ends_at) DESC LIMIT 1
$$;

-- Everything that counts usage or changes limits of one token locks first the token, then its limits in one order.
-- Counting locks it for sharing, so that submissions do not wait for each other where there is no limit.

-- Reserves for each of `ids` the amount at the same place, in all limits that apply or in none. Answers null, or which limit
-- stands in the way.
CREATE FUNCTION reserve_jobs(
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
           moment + interval '15 minutes'
      FROM unnest(ids, amounts) AS one (id, amount);
    RETURN NULL;
END $$;

-- Ends a job: books `amount`, or nothing if it is null. Does so once; answers whether this was it.
CREATE FUNCTION end_job(job uuid, amount bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ended jobs%ROWTYPE;
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id = (SELECT qpu_token_id FROM jobs WHERE id = job) FOR SHARE;
    SELECT * INTO ended FROM jobs WHERE id = job AND state IN ('reserved', 'open') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE jobs
       SET state = CASE WHEN amount IS NULL THEN 'expired' ELSE 'settled' END, used = amount, ended_at = moment, check_at = NULL
     WHERE id = job;
    PERFORM 1 FROM quotas WHERE qpu_token_id = ended.qpu_token_id AND (user_id IS NULL OR user_id = ended.user_id)
      ORDER BY user_id NULLS FIRST FOR NO KEY UPDATE;
    UPDATE quotas SET reserved = quotas.reserved - ended.reserved, quota_used = quota_used + coalesce(amount, 0)
     WHERE qpu_token_id = ended.qpu_token_id AND (user_id IS NULL OR user_id = ended.user_id)
       AND ended.created_at BETWEEN starts_at AND ends_at;
    RETURN true;
END $$;

-- Counts anew what a limit's window holds, after the limit was set or its window moved. The token is locked for update by then.
CREATE FUNCTION recount_quota() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT coalesce(sum(used), 0), coalesce(sum(reserved) FILTER (WHERE ended_at IS NULL), 0)
      INTO NEW.quota_used, NEW.reserved
      FROM jobs
     WHERE qpu_token_id = NEW.qpu_token_id AND (NEW.user_id IS NULL OR user_id = NEW.user_id)
       AND created_at BETWEEN NEW.starts_at AND NEW.ends_at;
    RETURN NEW;
END $$;

CREATE TRIGGER recount_quota BEFORE INSERT OR UPDATE OF starts_at, ends_at ON quotas
    FOR EACH ROW EXECUTE FUNCTION recount_quota();
