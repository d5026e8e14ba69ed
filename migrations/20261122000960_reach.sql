-- As whose member a person uses a token of `owner`, the nearest to it, and whether the person is an admin there: what the
-- broker, the leases and the explanation of access decide on. An API key that is bound to an organization stands for the
-- membership there only. Every request to the broker asks this: each part is a look-up by unique keys.
CREATE FUNCTION reach(person uuid, owner uuid, inherited boolean, bound_to uuid)
RETURNS TABLE (member_of uuid, admin boolean)
LANGUAGE sql STABLE AS $$
    SELECT (SELECT o.id
              FROM memberships m JOIN organizations o ON o.id = m.organization_id
             WHERE m.user_id = person AND m.status = 'active' AND (bound_to IS NULL OR m.organization_id = bound_to)
               AND owner = ANY (o.path) AND (inherited OR o.id = owner)
             ORDER BY cardinality(o.path) LIMIT 1),
           EXISTS (SELECT
                     FROM role_assignments r
                     JOIN memberships m ON m.organization_id = r.organization_id AND m.user_id = r.user_id
                    WHERE r.user_id = person AND r.role = 'admin' AND m.status = 'active'
                      AND (bound_to IS NULL OR r.organization_id = bound_to)
                      AND r.organization_id = ANY ((SELECT o.path FROM organizations o WHERE o.id = owner)::uuid[]))
$$;
