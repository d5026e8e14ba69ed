-- As whose member a person uses a token of `owner`, the nearest to it, and whether the person is an admin there: what the
-- broker, the leases and the explanation of access decide on. An API key that is bound to an organization stands for the
-- membership there only.
CREATE FUNCTION reach(person uuid, owner uuid, inherited boolean, bound_to uuid)
RETURNS TABLE (member_of uuid, admin boolean)
LANGUAGE sql STABLE AS $$
    SELECT (array_agg(o.id ORDER BY cardinality(o.path))
               FILTER (WHERE owning.id = ANY (o.path) AND (inherited OR o.id = owning.id)))[1],
           coalesce(bool_or(r.role IS NOT NULL AND o.id = ANY (owning.path)), false)
      FROM organizations owning, memberships m
      JOIN organizations o ON o.id = m.organization_id
      LEFT JOIN role_assignments r ON r.organization_id = m.organization_id AND r.user_id = m.user_id AND r.role = 'admin'
     WHERE owning.id = owner AND m.user_id = person AND m.status = 'active'
       AND (bound_to IS NULL OR m.organization_id = bound_to)
$$;
