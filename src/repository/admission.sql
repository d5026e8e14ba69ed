-- Several requests at once: $1 keys, $2 tokens, in the order of the requests; $3 now; $4, $5 and $6 the jobs that they name: number
-- of the request from 1, kind, provider's id. One row for each request whose key works.
SELECT q.n AS "n!",
       u.id AS "user_id: UserId", u.email, u.home_organization_id AS "home: OrganizationId",
       k.id AS "key_id: ApiKeyId", k.digest, k.scope AS "scope: KeyScope", k.organization_id AS "bound_to: OrganizationId",
       t.id AS "token?: QpuTokenId", t.provider AS "provider?", t.organization_id AS "owner_organization: OrganizationId",
       t.user_id AS "owner_user: UserId", t.enabled AS "enabled?", t.expires_at AS token_expires_at,
       m.member_of AS "member_of?: OrganizationId", m.admin AS "looks_after!",
       EXISTS (SELECT FROM quotas l
                WHERE l.qpu_token_id = t.id AND (l.user_id IS NULL OR l.user_id = u.id)
                  AND ($3 < l.starts_at OR $3 > l.ends_at)) AS "outside_window!",
       j.seen AS "seen_jobs!", j.place,
       s.secret_version AS "secret_version?", s.format AS "format?", s.kek_id AS "kek_id?",
       s.wrapped_data_key AS "wrapped_data_key?", s.field_names AS "field_names?", s.ciphertexts AS "ciphertexts?"
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS q (key, token, n)
  JOIN api_keys k ON k.id = q.key AND (k.expires_at IS NULL OR k.expires_at > $3)
  JOIN users u ON u.id = k.user_id AND u.status = 'active'
  LEFT JOIN qpu_tokens t ON t.id = q.token
  LEFT JOIN LATERAL reach(u.id, t.organization_id, t.inherited, k.organization_id) m ON true
  LEFT JOIN LATERAL (
      SELECT count(*) AS seen, max(c.secret_version) AS secret_version, min(c.place) AS place
        FROM unnest($4::bigint[], $5::text[], $6::text[]) AS named (n, kind, id)
        JOIN jobs c ON c.qpu_token_id = t.id AND c.kind = named.kind AND c.provider_job_id = named.id
       WHERE named.n = q.n AND sees_job(u.id, k.organization_id, c.user_id, c.organization_id)
  ) j ON true
  LEFT JOIN LATERAL (
      -- A version that was rotated away is kept as long as its jobs; afterwards the newest has to do.
      SELECT * FROM qpu_token_secrets c
       WHERE c.qpu_token_id = t.id AND c.secret_version IN (t.secret_version, j.secret_version)
       ORDER BY c.secret_version = j.secret_version DESC NULLS LAST LIMIT 1
  ) s ON true
