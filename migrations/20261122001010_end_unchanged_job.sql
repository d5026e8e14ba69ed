-- Ends a job as end_job does, if it is still as it was `seen`: a reservation that nobody seemed to come back for may have been opened
-- in the meantime.
CREATE FUNCTION end_unchanged_job(job uuid, seen text, amount bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id = (SELECT qpu_token_id FROM jobs WHERE id = job) FOR SHARE;
    PERFORM 1 FROM jobs WHERE id = job AND state = seen FOR NO KEY UPDATE;
    RETURN FOUND AND end_job(job, amount, moment);
END $$;
