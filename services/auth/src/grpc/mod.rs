//! Decode, call the use case, encode.

mod auth_internal_service;
mod auth_service;
mod relationship_service;
mod user_service;

use std::sync::Arc;

use godwit_contract::v1 as pb;

use crate::app::App;
use crate::domain::User;

/// The gRPC services over one app.
#[derive(Clone)]
pub struct Server(pub Arc<App>);

/// A user as others may see them.
pub fn encode_user(user: &User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        username: user.username.as_str().to_owned(),
        display_name: user.display_name.as_str().to_owned(),
        created_at: Some(godwit_rpc::timestamp(user.created_at)),
        ..pb::User::default()
    }
}
