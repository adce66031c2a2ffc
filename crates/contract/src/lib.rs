//! All code generated from `proto/`: messages (prost), gRPC (tonic), canonical ProtoJSON with the field names of the
//! proto files (pbjson), the REST server from `google.api.http` annotations, and the OpenAPI document.
//!
//! The modules mirror the proto packages. Nothing in them is written by hand; `build.rs` makes it. [`json`] reads what a
//! newer release wrote.

pub mod json;

/// Types that clients see.
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/godwit.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/godwit.v1.serde.rs"));
}

/// Accounts, sessions and profiles.
pub mod auth {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.auth.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.auth.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.auth.v1.rest.rs"));
    }
}

/// Chats and their members.
pub mod chat {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.chat.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.chat.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.chat.v1.rest.rs"));
    }
}

/// Messages and the update log.
pub mod message {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.message.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.message.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.message.v1.rest.rs"));
    }
}

/// Uploads and downloads.
pub mod media {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.media.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.media.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.media.v1.rest.rs"));
    }
}

/// Who is online.
pub mod presence {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.presence.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.presence.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.presence.v1.rest.rs"));
    }
}

/// Calls.
pub mod call {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.call.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.call.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.call.v1.rest.rs"));
    }
}

/// Notifications to devices.
pub mod push {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.push.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.push.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.push.v1.rest.rs"));
    }
}

/// Search.
pub mod search {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.search.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.search.v1.serde.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.search.v1.rest.rs"));
    }
}

/// What travels on the stream and on live channels.
pub mod events {
    /// Version 1.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/godwit.events.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/godwit.events.v1.serde.rs"));
    }
}

/// The REST server: the transcoder, what it forwards to, and the table of its routes.
pub mod rest {
    use rest_over_grpc::handling::{Code, Context, Status};

    use crate as godwit;

    include!(concat!(env!("OUT_DIR"), "/transcoder.rest.rs"));
    include!(concat!(env!("OUT_DIR"), "/forward.rs"));
    include!(concat!(env!("OUT_DIR"), "/routes.rs"));
}

/// The names of all RPCs, internal ones too.
pub mod rpcs {
    include!(concat!(env!("OUT_DIR"), "/rpcs.rs"));
}

/// The encoded `google.protobuf.FileDescriptorSet` of the contract, with comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The AsyncAPI 3.0 document of the WebSocket protocol, as JSON.
pub const ASYNCAPI_JSON: &str = include_str!(concat!(env!("OUT_DIR"), "/asyncapi.json"));

/// The OpenAPI 3.1 document of the REST surface, as JSON.
pub const OPENAPI_JSON: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));
