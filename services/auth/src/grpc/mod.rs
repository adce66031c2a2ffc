//! Decode, call the use case, encode.

mod auth_internal_service;
mod auth_service;
mod directory_internal_service;
mod gate;
mod relationship_internal_service;
mod relationship_service;
mod user_service;

use std::sync::Arc;

use godwit_contract::auth::v1 as api;
use godwit_contract::v1 as pb;
use tonic::Request;

use crate::app::App;
use crate::domain::{Bond, ClientAddress, Relationship, Side, User};

pub use gate::Gate;

/// The gRPC services over one app.
#[derive(Clone)]
pub struct Server(pub Arc<App>);

/// A user as they are given: what somebody may not see of them is taken off before. Of one who is deleted nothing but
/// the id is told.
pub fn encode_user(user: &User) -> pb::User {
    if user.is_deleted {
        return pb::User { id: user.id.to_string(), is_deleted: true, ..pb::User::default() };
    }
    pb::User {
        id: user.id.to_string(),
        username: user.username.as_str().to_owned(),
        display_name: user.display_name.as_str().to_owned(),
        created_at: Some(godwit_rpc::timestamp(user.created_at)),
        bio: user.bio.as_str().to_owned(),
        avatar_media_id: user.avatar_id.map(|id| id.to_string()).unwrap_or_default(),
        is_deleted: false,
    }
}

/// What there is between two people, as one of them may know it: whether the other blocks them is not told.
fn encode_relationship(relationship: &Relationship, side: Side) -> api::Relationship {
    let requested_by = match relationship.bond {
        Bond::Requested { by, .. } => Some(by),
        Bond::Nothing | Bond::Friends { .. } | Bond::Blocked(_) => None,
    };
    api::Relationship {
        is_friend: matches!(relationship.bond, Bond::Friends { .. }),
        request_sent: requested_by == Some(side),
        request_received: requested_by.is_some_and(|by| by != side),
        is_blocked: relationship.is_blocked_by(side),
    }
}

/// Where a request came from, if the edge told.
fn address_of<T>(request: &Request<T>) -> Option<ClientAddress> {
    godwit_rpc::client_address(request).map(ClientAddress::new)
}
