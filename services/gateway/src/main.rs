//! HTTPS and WebSocket edge for phones and browsers.
fn main() {}
