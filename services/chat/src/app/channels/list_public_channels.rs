use godwit_kernel::{ChatId, limits};

use super::super::App;
use crate::domain::Chat;
use crate::error::Error;
use crate::store;

/// The most of a page: their titles and descriptions stand in it.
const PAGE_MAX: u32 = 1_000;

/// A page of all public channels.
#[derive(Clone, Debug)]
pub struct PublicChannels {
    /// In id order.
    pub channels: Vec<Chat>,
    /// There are others behind them.
    pub has_more: bool,
}

impl App {
    /// The public channels above an id, or from the lowest on.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "chat.list_public_channels", skip_all, err(level = "debug"))]
    pub async fn list_public_channels(&self, after: Option<ChatId>, limit: u32) -> Result<PublicChannels, Error> {
        let limit = limits::page_size(limit, PAGE_MAX, PAGE_MAX);
        let mut conn = self.pool.get().await?;
        let mut channels = store::public_channels(&mut conn, after, i64::from(limit) + 1).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = channels.len() > limit;
        channels.truncate(limit);
        Ok(PublicChannels { channels, has_more })
    }
}
