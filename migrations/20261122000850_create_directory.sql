-- A user as an organization sees it. Until the invitation is accepted it shows the name that the inviter typed, and says
-- nothing of an account that may exist already.
CREATE VIEW directory AS
SELECT u.id,
       u.email,
       u.email_key,
       coalesce(i.given_name, u.given_name) AS given_name,
       coalesce(i.family_name, u.family_name) AS family_name,
       CASE WHEN m.status = 'invited' THEN 'invited' WHEN u.status = 'disabled' THEN 'disabled' ELSE 'active' END AS status,
       ARRAY (SELECT r.role FROM role_assignments r
               WHERE r.organization_id = m.organization_id AND r.user_id = m.user_id ORDER BY r.role) AS roles,
       m.organization_id,
       m.created_at,
       m.joined_at,
       CASE WHEN m.status = 'invited' THEN m.version ELSE u.version + m.version END AS version
  FROM memberships m
  JOIN users u ON u.id = m.user_id
  LEFT JOIN invitations i ON i.organization_id = m.organization_id AND i.user_id = m.user_id;
