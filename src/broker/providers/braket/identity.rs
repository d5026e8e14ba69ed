//! STS, of which nobody needs more than `GetCallerIdentity`: answered here, because the real answer tells the account and whose
//! keys these are. AWS is not asked.

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use super::denials::STS;
use super::results::ACCOUNT;
use crate::broker::adapter::Caller;
use crate::broker::content::Content;
use crate::broker::denial::Denial;

/// Answers `GetCallerIdentity` with the user and an account that is nobody's; all other actions are refused.
pub(super) fn answered(caller: &Caller, content: &Content) -> Result<Response<Bytes>, Denial> {
    let form = content.decoded()?;
    let mut actions = url::form_urlencoded::parse(&form).filter(|(name, _)| name == "Action");
    if actions.next().is_none_or(|(_, action)| action != "GetCallerIdentity") || actions.next().is_some() {
        return Err(Denial::not_allowed());
    }
    let user = caller.user;
    let body = format!(
        r#"<GetCallerIdentityResponse xmlns="{STS}"><GetCallerIdentityResult><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/luna-organizations/{user}</Arn><UserId>{user}</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"#
    );
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}
