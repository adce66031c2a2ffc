//! Decode, call the use case, encode.

mod channel_service;
mod chat_internal_service;
mod chat_service;
mod decode;
mod direct_chat_internal_service;
mod directory_internal_service;
mod draft_internal_service;
mod encode;
mod invite_service;
mod listener_internal_service;
mod member_service;
mod settings_service;

use std::sync::Arc;

use crate::app::App;

/// All gRPC services over one app.
#[derive(Clone)]
pub struct Server(pub Arc<App>);
