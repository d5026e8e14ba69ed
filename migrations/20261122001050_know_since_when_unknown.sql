-- Since when a provider says that it does not know a job: null as long as it does. For a moment it may say so of any job.
ALTER TABLE jobs ADD COLUMN unknown_since timestamptz;
