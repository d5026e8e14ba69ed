-- Several requests at once: $1 keys, $2 tokens, in the order of the requests; $3 now; $4, $5 and $6 the jobs that they name: number
-- of the request from 1, kind, provider's id. One row for each request whose key works.
SELECT q.n AS "n!",
       u.id AS "user_id: UserId", u.email, u.home_organization_id AS "home: OrganizationId",
       k.id AS "key_id: ApiKeyId", k.digest, k.scope AS "scope: KeyScope", k.organization_id AS "bound_to: OrganizationId",
       t.id AS "token?: QpuTokenId", t.provider AS "provider?", t.organization_id AS "owner_organization: OrganizationId",
       t.user_id AS "owner_user: UserId", t.enabled AS "enabled?", t.expires_at AS token_expires_at,
       coalesce(m.organization_id, (r.far).member_of) AS "member_of?: OrganizationId",
       coalesce((r.far).admin, false) AS "looks_after!",
       coalesce(r.outside_window, false) AS "outside_window!",
       coalesce((r.named).seen, 0) AS "seen_jobs!", (r.named).place AS "place?",
       s.secret_version AS "secret_version?", s.format AS "format?", s.kek_id AS "kek_id?",
       s.wrapped_data_key AS "wrapped_data_key?", s.field_names AS "field_names?", s.ciphertexts AS "ciphertexts?"
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS q (key, token, n)
  JOIN api_keys k ON k.id = q.key AND (k.expires_at IS NULL OR k.expires_at > $3)
  JOIN users u ON u.id = k.user_id AND u.status = 'active'
  LEFT JOIN qpu_tokens t ON t.id = q.token
  -- Most are members of the very organization that owns the token.
  LEFT JOIN memberships m
    ON m.organization_id = t.organization_id AND m.user_id = u.id AND m.status = 'active'
       AND (k.organization_id IS NULL OR k.organization_id = t.organization_id)
  -- What few requests need is asked of functions: a statement pays for each table that is named in it, whether it is read or not.
  LEFT JOIN LATERAL (
      SELECT CASE WHEN m.user_id IS NULL AND t.organization_id IS NOT NULL
                  THEN far_reach(u.id, t.organization_id, t.inherited, k.organization_id) END AS far,
             CASE WHEN $3 < t.windows_start OR $3 > t.windows_end
                  THEN outside_window(t.id, u.id, $3) END AS outside_window,
             CASE WHEN q.n = ANY ($4::bigint[])
                  THEN named_jobs(q.n, $4, $5::text[], $6::text[], t.id, u.id, k.organization_id) END AS named
      OFFSET 0
  ) r ON true
  -- A version that was rotated away is kept as long as its jobs; afterwards the newest has to do.
  LEFT JOIN qpu_token_secrets s
    ON s.qpu_token_id = t.id AND s.secret_version = coalesce((r.named).secret_version, t.secret_version)
