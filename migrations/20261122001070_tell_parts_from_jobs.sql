-- What a provider has named as a part of a job, or as the place of its results, was not made by itself: a folder is no entry in a list
-- of what somebody has made. Those that are there already are of Amazon's, which has no other uploads. (That
-- may take as long as it takes.)
SET LOCAL statement_timeout = 0;

ALTER TABLE jobs ADD COLUMN is_part boolean NOT NULL DEFAULT false;

UPDATE jobs SET is_part = true
  FROM qpu_tokens t
 WHERE t.id = jobs.qpu_token_id AND t.provider = 'aws' AND jobs.kind = 'upload';
