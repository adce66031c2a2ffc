//! Decode, call the use case, encode.

mod chat_internal_service;
mod chat_service;

use std::sync::Arc;

use crate::app::App;

/// Both gRPC services over one app.
#[derive(Clone)]
pub struct Server(pub Arc<App>);
