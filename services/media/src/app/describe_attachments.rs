use std::collections::HashMap;
use std::time::Duration;

use godwit_kernel::{MediaId, UserId};
use godwit_rpc::InvalidField;

use super::App;
use crate::domain::{Media, State};
use crate::error::Error;
use crate::store;

/// Attachments of one message.
const ATTACHMENTS_MAX: usize = 10;
/// What is described is about to be sent: a scheduled message waits a year at most.
const KEPT_TO_SEND: Duration = Duration::from_secs(400 * 24 * 3_600);

impl App {
    /// The finished uploads of a user that are to be sent with a message, in the order of their ids. Two statements,
    /// whatever their number.
    ///
    /// # Errors
    /// When there are more than 10; [`Error::AttachmentNotFound`] when one is no finished upload of the user; the
    /// database's.
    #[tracing::instrument(name = "media.describe_attachments", skip_all, err(level = "debug"))]
    pub async fn describe_attachments(&self, owner: UserId, ids: &[MediaId]) -> Result<Vec<Media>, Error> {
        if ids.len() > ATTACHMENTS_MAX {
            return Err(InvalidField::new("media_ids", "must be at most 10").into());
        }
        let mut conn = self.pool.get().await?;
        let found = store::find_to_send(&mut conn, owner, ids, self.clock.now() + KEPT_TO_SEND).await?;
        let found: HashMap<MediaId, Media> =
            found.into_iter().filter(|media| media.state == State::Ready).map(|media| (media.id, media)).collect();
        let in_order = ids.iter().map(|id| found.get(id).cloned().ok_or(Error::AttachmentNotFound));
        let described = in_order.collect::<Result<Vec<_>, _>>();
        let outcome = if described.is_ok() { "found" } else { "not_found" };
        metrics::counter!("godwit_media_attachments_described_total", "outcome" => outcome).increment(1);
        described
    }
}
