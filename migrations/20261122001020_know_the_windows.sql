-- The time inside the windows of all limits on a token, or null where there never was one. Every request to the broker asks whether
-- it is outside a window; as long as it is inside of all, that is told without looking at any. After a limit has gone, or a user's
-- has passed, this may be less than what the rest would allow: then the limits themselves decide.
ALTER TABLE qpu_tokens ADD COLUMN windows_start timestamptz, ADD COLUMN windows_end timestamptz;

UPDATE qpu_tokens t SET windows_start = q.latest, windows_end = q.earliest
  FROM (SELECT qpu_token_id, max(starts_at) AS latest, min(ends_at) AS earliest FROM quotas GROUP BY qpu_token_id) q
 WHERE q.qpu_token_id = t.id;

-- The token is locked, so that nobody else sets another limit on it meanwhile: by the service before anything else, and here once more.
CREATE FUNCTION know_windows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM qpu_tokens WHERE id = NEW.qpu_token_id FOR NO KEY UPDATE;
    UPDATE qpu_tokens t SET windows_start = q.latest, windows_end = q.earliest
      FROM (SELECT max(starts_at) AS latest, min(ends_at) AS earliest FROM quotas WHERE qpu_token_id = NEW.qpu_token_id) q
     WHERE t.id = NEW.qpu_token_id;
    RETURN NULL;
END $$;

CREATE TRIGGER know_windows AFTER INSERT OR UPDATE OF qpu_token_id, starts_at, ends_at ON quotas
    FOR EACH ROW EXECUTE FUNCTION know_windows();

-- Whether a limit on the token, everybody's or this person's, has not begun or is over.
CREATE FUNCTION outside_window(token uuid, person uuid, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM quotas
                    WHERE qpu_token_id = token AND (user_id IS NULL OR user_id = person)
                      AND (moment < starts_at OR moment > ends_at));
END
$$;
