//! What the generated code promises, tried over the generated REST server with a real gRPC service behind it.

mod asyncapi;
mod golden;
mod newer;
mod openapi;
mod rest;
