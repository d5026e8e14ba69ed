-- The ledger of a token is read newest first, page by page. (The index is made however long that takes.)
SET LOCAL statement_timeout = 0;

CREATE INDEX jobs_of_token ON jobs (qpu_token_id, id);
