use godwit_kernel::{MessageId, UserId};

use super::App;
use super::act::{hide_chat, require};
use crate::domain::{Act, Right};
use crate::error::Error;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// It stands above the chat.
    Pin,
    /// It does no more.
    Unpin,
}

impl App {
    /// Pins or unpins a message; what is so already stays so.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::PinningNotAllowed`]; [`Error::TooManyPins`]; those of the appender.
    #[tracing::instrument(name = "message.pin_message", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn pin_message(&self, caller: UserId, id: MessageId, pinning: Pinning) -> Result<(), Error> {
        self.act(caller, id.chat_id, |policy| {
            require(policy, Right::Pin, Error::PinningNotAllowed)?;
            Ok(match pinning {
                Pinning::Pin => Act::Pin { seq: id.seq },
                Pinning::Unpin => Act::Unpin { seq: id.seq },
            })
        })
        .await
        .map(drop)
        .map_err(hide_chat)
    }
}
