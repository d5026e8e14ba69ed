-- As before, but no figure that was booked, however large, makes a sum that is no number any more: it would refuse everything that is
-- submitted afterwards, and everything that is to be booked.
CREATE OR REPLACE FUNCTION limit_in_the_way(token uuid, person uuid, amount bigint, moment timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN moment < starts_at OR moment > ends_at THEN 'quota_not_active' ELSE 'quota_exhausted' END
      FROM quotas
     WHERE qpu_token_id = token AND (user_id IS NULL OR user_id = person)
       AND (moment < starts_at OR moment > ends_at OR quota_used::numeric + reserved >= quota
            OR quota_used::numeric + reserved + amount > quota)
     ORDER BY (moment < starts_at OR moment > ends_at) DESC LIMIT 1
$$;

CREATE OR REPLACE FUNCTION end_job(job uuid, amount bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
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
    UPDATE quotas
       SET reserved = quotas.reserved - ended.reserved,
           quota_used = least(quota_used::numeric + coalesce(amount, 0), 9223372036854775807)
     WHERE qpu_token_id = ended.qpu_token_id AND (user_id IS NULL OR user_id = ended.user_id)
       AND ended.created_at BETWEEN starts_at AND ends_at;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION recount_quota() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT least(coalesce(sum(used), 0), 9223372036854775807),
           least(coalesce(sum(reserved) FILTER (WHERE ended_at IS NULL), 0), 9223372036854775807)
      INTO NEW.quota_used, NEW.reserved
      FROM jobs
     WHERE qpu_token_id = NEW.qpu_token_id AND (NEW.user_id IS NULL OR user_id = NEW.user_id)
       AND created_at BETWEEN NEW.starts_at AND NEW.ends_at;
    RETURN NEW;
END $$;
