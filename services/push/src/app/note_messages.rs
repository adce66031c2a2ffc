use super::App;
use crate::domain::NewMessage;
use crate::error::Error;
use crate::store;

impl App {
    /// Notes messages, whose recipients are found later. Messages that are too old are passed over; those that came before
    /// are not told again.
    ///
    /// # Errors
    /// The database's; the same batch may then be given again.
    #[tracing::instrument(name = "push.note_messages", skip_all, fields(messages = messages.len()), err(level = "debug"))]
    pub async fn note_messages(&self, messages: &[NewMessage]) -> Result<(), Error> {
        let now = self.clock.now();
        let fresh: Vec<_> = messages
            .iter()
            .map(|message| (message, message.sent_at + self.ttl))
            .filter(|(_, expires_at)| *expires_at > now)
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.get().await?;
        if store::note_messages(&mut conn, &fresh, now).await? > 0 {
            self.bells.noted.notify_one();
        }
        Ok(())
    }
}
