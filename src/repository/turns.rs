//! Turns at tokens: whoever changes one, or what is counted there, has it alone, in the order in which it was asked for (the migration
//! `take_turns_at_tokens`).

use super::Result;
use super::change::Change;
use super::columns::owner_columns;
use crate::domain::{QpuTokenId, TokenOwner};

/// Waits for one's turn at a token, which lasts as long as the transaction, and nobody changes or counts anything there meanwhile. If
/// there is none, there is nothing to wait for.
pub(super) async fn take_turn(change: &mut Change, id: QpuTokenId) -> Result<()> {
    sqlx::query_scalar!("SELECT take_turn(id) FROM qpu_tokens WHERE id = $1", id.uuid())
        .fetch_optional(&mut **change)
        .await?;
    Ok(())
}

/// The same at an owner's tokens: one, or all. At what is not the owner's, there are no turns for the owner.
pub(super) async fn take_turns(change: &mut Change, owner: TokenOwner, only: Option<QpuTokenId>) -> Result<()> {
    let (organization, user) = owner_columns(owner);
    let turns = sqlx::query_scalar!(
        "SELECT take_turn(id) FROM qpu_tokens
          WHERE (organization_id = $1 OR user_id = $2) AND ($3::uuid IS NULL OR id = $3) ORDER BY id",
        organization,
        user,
        only.map(QpuTokenId::uuid),
    );
    turns.fetch_all(&mut **change).await?;
    Ok(())
}
