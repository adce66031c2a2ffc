//! Chats, members and who may do what in them.
fn main() {}
