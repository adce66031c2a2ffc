use godwit_kernel::EventId;

use super::super::App;
use crate::domain::DirectBlock;
use crate::error::Error;
use crate::events::outgoing;
use crate::store;

impl App {
    /// Keeps whether one of two people blocks the other. When this returns, every message to their direct chat that is
    /// not appended yet is judged by it. A change that is not newer than the last is not kept; what the message service
    /// must still be told of the last one is told all the same.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it is kept but the message service could not be told: the worker repeats it, and so does
    /// the same call again.
    #[tracing::instrument(name = "chat.set_direct_block", skip_all, err(level = "debug"))]
    pub async fn set_direct_block(&self, block: DirectBlock) -> Result<(), Error> {
        let event_id = EventId::generate(self.clock.as_ref(), self.entropy.as_ref());
        let mut conn = self.pool.get().await?;
        let kept = store::set_direct_block(&mut conn, block, event_id, self.clock.now()).await?;
        let outcome = if kept { "kept" } else { "older" };
        metrics::counter!("godwit_chat_direct_blocks_total", "outcome" => outcome).increment(1);
        let chat_id = store::direct_chat_id(&mut conn, block.pair).await?;
        drop(conn);
        let Some(chat_id) = chat_id else { return Ok(()) };
        // What gateways remember of who may post there ends at once, whatever the message service answers.
        self.publish(vec![outgoing::posting_changed(chat_id)]).await.ok();
        self.deliver_updates(chat_id).await
    }
}
