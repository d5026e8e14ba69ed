-- The ledger of a token is read newest first, page by page.
CREATE INDEX jobs_of_token ON jobs (qpu_token_id, id);
