-- What a user is in an organization, in one row: the facts that authorization decides on, read with every request.
-- A role counts where it is held and below; membership below an organization lets its inherited tokens be used.
CREATE FUNCTION standing(person uuid, organization uuid)
RETURNS TABLE (organization_id uuid, member boolean, below boolean, roles text[], admin_of_root boolean)
LANGUAGE sql STABLE AS $$
    SELECT o.id,
           coalesce(bool_or(m.organization_id = o.id), false),
           coalesce(bool_or(m.organization_id <> o.id AND o.id = ANY (mo.path)), false),
           coalesce(array_agg(DISTINCT r.role) FILTER (WHERE r.organization_id = ANY (o.path)), '{}'),
           coalesce(bool_or(r.role = 'admin' AND r.organization_id = o.path[1]), false)
      FROM organizations o
      LEFT JOIN memberships m ON m.user_id = person AND m.status = 'active'
      LEFT JOIN organizations mo ON mo.id = m.organization_id
      LEFT JOIN role_assignments r ON r.user_id = m.user_id AND r.organization_id = m.organization_id
     WHERE o.id = organization
     GROUP BY o.id
$$;
