use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{MessageId, Seq};
use godwit_outbound::{FetchError, Fetcher, Gate, Limits, Reach, SetupError};
use moka::future::Cache;
use url::Url;

use super::App;
use crate::domain::{Change, Entry, LinkPreview, NewPreview, Outcome, read_page};
use crate::error::Error;
use crate::events::outgoing;

/// From the look-up of the name to the last byte, redirects included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// What is read of a page: what it says of itself stands at its begin.
const PAGE_BYTES_MAX: usize = 256 * 1024;
const REDIRECTS_MAX: usize = 4;
const USER_AGENT: &str = "godwit-link-preview/1.0";
/// For how long it is remembered what a page says, or that it says nothing: so a page that is sent around is asked once,
/// and one that fails is left alone.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// How much is remembered.
const REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;

/// A link of a message.
#[derive(Clone, Debug)]
pub struct LinkedMessage {
    /// The message.
    pub message_id: MessageId,
    /// How often it was edited when it bore the link.
    pub edit_count: u32,
    /// Where it leads.
    pub link: Url,
}

/// Reads what pages say of themselves.
#[derive(Clone)]
pub struct PageReader {
    fetcher: Fetcher,
    remembered: Cache<Url, Option<Arc<LinkPreview>>>,
}

impl PageReader {
    /// For pages within reach.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(reach: Reach) -> Result<Self, SetupError> {
        let limits = Limits { timeout: FETCH_TIMEOUT, body_bytes_max: PAGE_BYTES_MAX, redirects_max: REDIRECTS_MAX };
        let weigh = |link: &Url, preview: &Option<Arc<LinkPreview>>| {
            let bytes = link.as_str().len() + preview.as_ref().map_or(0, |preview| preview.size_bytes()) + 64;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let remembered =
            Cache::builder().max_capacity(REMEMBERED_BYTES).weigher(weigh).time_to_live(REMEMBERED).build();
        Ok(Self { fetcher: Fetcher::new(Gate::new(reach), limits, USER_AGENT)?, remembered })
    }

    /// What a page says of itself. Those who ask for the same page at once share one request.
    pub async fn read(&self, link: &Url) -> Option<Arc<LinkPreview>> {
        self.remembered.get_with(link.clone(), self.fetch(link)).await
    }

    async fn fetch(&self, link: &Url) -> Option<Arc<LinkPreview>> {
        let page = match self.fetcher.get(link, "text/html").await {
            Ok(page) => page,
            Err(error) => {
                count(match error {
                    FetchError::NotAllowed => "not_allowed",
                    FetchError::OtherType => "no_page",
                    FetchError::Redirects | FetchError::Status(_) => "refused",
                    FetchError::TimedOut | FetchError::Unreachable => "unreachable",
                });
                return None;
            }
        };
        let link = link.clone();
        // A page takes a few milliseconds to read; the workers bound how many are read at once.
        let read = tokio::task::spawn_blocking(move || read_page(&link, &page.content_type, &page.body)).await;
        let preview = read.ok().flatten().map(Arc::new);
        count(if preview.is_some() { "read" } else { "says_nothing" });
        preview
    }
}

impl App {
    /// Adds to a message what the page behind its link says of itself. A message that is another one by then, or gone,
    /// stays as it is; a page that says nothing changes nothing.
    ///
    /// # Errors
    /// Those of the appender.
    #[tracing::instrument(
        name = "message.preview_link",
        skip_all,
        fields(chat.id = %linked.message_id.chat_id, message.seq = linked.message_id.seq.get()),
        err(level = "debug")
    )]
    pub async fn preview_link(&self, reader: &PageReader, linked: &LinkedMessage) -> Result<(), Error> {
        let Some(preview) = reader.read(&linked.link).await else {
            return Ok(());
        };
        let seq: Seq = linked.message_id.seq;
        let change = Change::Preview(NewPreview { seq, edit_count: linked.edit_count, preview: (*preview).clone() });
        let entry = Entry { chat_id: linked.message_id.chat_id, headers: outgoing::current_headers(), change };
        let outcome = self.appenders.append(entry).await?;
        count(if matches!(outcome, Outcome::Appended(_)) { "added" } else { "dropped" });
        Ok(())
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("godwit_message_link_previews_total", "outcome" => outcome).increment(1);
}
