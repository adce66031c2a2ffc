use godwit_kernel::{MessageId, UserId};

use super::App;
use super::act::{hide_chat, require};
use crate::domain::{Act, ChatKind, Emoji, Right};
use crate::error::Error;

impl App {
    /// Sets the caller's reaction to a message, or takes it away. In a channel nobody is told whose it is, but the caller's
    /// own devices.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::ReactionNotAllowed`]; [`Error::TooManyReactions`]; those of the appender.
    #[tracing::instrument(name = "message.set_reaction", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn set_reaction(&self, caller: UserId, id: MessageId, emoji: Option<Emoji>) -> Result<(), Error> {
        self.act(caller, id.chat_id, |policy| {
            // Who may not react any more may still take back what they gave.
            if emoji.is_some() {
                require(policy, Right::React, Error::ReactionNotAllowed)?;
            }
            let is_anonymous = policy.kind == ChatKind::Channel;
            Ok(Act::React { seq: id.seq, emoji: emoji.clone(), is_anonymous })
        })
        .await
        .map(drop)
        .map_err(hide_chat)
    }
}
