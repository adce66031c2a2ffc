use godwit_kernel::ChatId;
use godwit_rpc::Caller;

use super::outbox::Outbox;

/// What a socket shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `/ws/me`: all that concerns the user.
    User,
    /// `/ws/{chat_id}`: the updates of one chat.
    Chat(ChatId),
}

/// One open WebSocket, as the hub knows it.
pub struct Socket {
    /// Whose it is.
    pub caller: Caller,
    /// What it shows.
    pub scope: Scope,
    /// What waits to be written to it.
    pub outbox: Outbox,
}
