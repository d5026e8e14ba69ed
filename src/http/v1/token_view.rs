//! A token as the API shows it: its metadata, and where its use goes.

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::QpuToken;
use crate::http::etag::Versioned;
use crate::http::state::Settings;

/// A token's metadata with its `use_url`. The Luna SDK wire does not have that: its members are given.
#[derive(Serialize)]
pub struct TokenView {
    #[serde(flatten)]
    token: QpuToken,
    use_url: String,
}

impl TokenView {
    /// The token, on this installation.
    pub fn new(token: QpuToken, settings: &Settings) -> Self {
        Self { use_url: settings.use_url(token.id), token }
    }
}

impl Versioned for TokenView {
    fn version(&self) -> i64 {
        self.token.version
    }
}

/// That of the metadata with one member more: to clients it is one object.
impl PartialSchema for TokenView {
    fn schema() -> RefOr<Schema> {
        let mut schema = QpuToken::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            let use_url = ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::Custom("uri".to_owned())))
                .description(Some(
                    "Where the provider's own client finds the provider: give it this address instead of the provider's, and \
                     a Luna API key instead of the provider's token.",
                ));
            object.properties.insert("use_url".to_owned(), use_url.into());
            object.required.push("use_url".to_owned());
        }
        schema
    }
}

impl ToSchema for TokenView {
    fn name() -> std::borrow::Cow<'static, str> {
        QpuToken::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        QpuToken::schemas(schemas);
    }
}
