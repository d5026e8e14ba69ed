-- Books what was reserved for a job that the provider took without a name for it. As with a job that has one, the reservation may
-- have been given up before that could be written down. Does so once; answers how much, or null if it was done before.
CREATE FUNCTION book_reservation(job uuid, moment timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    taken jobs%ROWTYPE;
BEGIN
    PERFORM share_token((SELECT qpu_token_id FROM jobs WHERE id = job));
    SELECT * INTO taken FROM jobs
     WHERE id = job AND provider_job_id IS NULL AND state IN ('reserved', 'expired') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF taken.state = 'expired' THEN
        UPDATE jobs SET state = 'reserved', ended_at = NULL WHERE id = job;
        PERFORM 1 FROM quotas WHERE qpu_token_id = taken.qpu_token_id AND (user_id IS NULL OR user_id = taken.user_id)
          ORDER BY user_id NULLS FIRST FOR NO KEY UPDATE;
        UPDATE quotas SET reserved = quotas.reserved + taken.reserved
         WHERE qpu_token_id = taken.qpu_token_id AND (user_id IS NULL OR user_id = taken.user_id)
           AND taken.created_at BETWEEN starts_at AND ends_at;
    END IF;
    PERFORM end_job(job, taken.reserved, moment);
    RETURN taken.reserved;
END $$;
