use std::time::Duration;

use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{MessageId, UserId};
use tokio::time::timeout;

use super::App;
use super::act::{hide_chat, require};
use crate::domain::Right;
use crate::error::Error;
use crate::store::{self, MessageReceipts};

/// How many large chats are counted at the same time: each takes the database some milliseconds for 10,000 members.
pub const COUNTS_MAX: usize = 2;
/// How long the others wait for that.
const COUNT_WAIT: Duration = Duration::from_secs(2);

impl App {
    /// Who besides its sender has read and received a message, for members who may see receipts: all of a direct chat or a
    /// group, and of a channel the owner and the admins. Whose message it is makes no difference.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], also for who is not a member; [`Error::ReceiptsHidden`] for a member without the right;
    /// [`Error::CountsBusy`].
    #[tracing::instrument(name = "message.get_receipts", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn get_receipts(&self, caller: UserId, id: MessageId) -> Result<MessageReceipts, Error> {
        let message = self.get_message(caller, id).await?;
        let mut policy = self.policies.get(id.chat_id, caller).await.map_err(hide_chat)?;
        if !policy.rights.has(Right::SeeReceipts) {
            policy = self.policies.reload(id.chat_id, caller).await.map_err(hide_chat)?;
            require(&policy, Right::SeeReceipts, Error::ReceiptsHidden)?;
        }
        let _turn = if policy.member_count > RECEIPT_MEMBERS_MAX {
            let turn = timeout(COUNT_WAIT, self.counting.acquire()).await.map_err(|_| Error::CountsBusy)?;
            // It is never closed.
            turn.ok()
        } else {
            None
        };
        let mut conn = self.pool.get().await?;
        Ok(store::message_receipts(&mut conn, id, message.sender_id).await?)
    }
}
