use godwit_kernel::Seq;

use super::{Epoch, Message};

/// A message of all that are there.
#[derive(Clone, Debug)]
pub struct ListedMessage {
    /// The message.
    pub message: Message,
    /// The last update of its chat at the same moment.
    pub as_of: Seq,
    /// Of the chat's log.
    pub epoch: Epoch,
}
