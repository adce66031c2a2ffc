use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::{Act, ChatKind, Cursors, Outcome, ReceiptAudience};
use crate::error::Error;

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub user_id: UserId,
    /// How far.
    pub cursors: Cursors,
}

impl App {
    /// Moves the caller's cursors in a chat; none goes back, nor beyond the log. One update tells it: to the chat, or where
    /// that is a channel or has more than 200 members to the caller's own devices.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; those of the appender.
    #[tracing::instrument(name = "message.mark_read", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn mark_read(&self, caller: UserId, chat_id: ChatId, cursors: Cursors) -> Result<Standing, Error> {
        let outcome = self
            .act(caller, chat_id, |policy| {
                let is_told_nobody = policy.kind == ChatKind::Channel || policy.member_count > RECEIPT_MEMBERS_MAX;
                let audience = if is_told_nobody { ReceiptAudience::Own } else { ReceiptAudience::Chat };
                Ok(Act::Advance { cursors, audience })
            })
            .await?;
        match outcome {
            Outcome::Advanced(cursors) => Ok(Standing { user_id: caller, cursors }),
            _ => Err(Error::LogNotReady),
        }
    }
}
