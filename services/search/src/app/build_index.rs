use godwit_contract::message::v1::ListedMessage;
use godwit_contract::v1::ChatInfo;
use godwit_kernel::{MessageId, Seq, UserId};
use time::Duration;

use super::App;
use crate::Error;
use crate::domain::{BuildOrder, ChannelEntry, MessageChange, MessageState, Part, folded};
use crate::store::{self, Build, Source, TakenPage};
use crate::wire::indexed;

/// A message that is not listed and was sent within it may have been sent since.
const GRACE: Duration = Duration::minutes(5);

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A page was taken, and there may be more.
    More,
    /// All is taken.
    Ended,
    /// None was: a process that started later has another index built.
    Superseded,
}

/// A page that is in the index.
struct Page {
    /// The last of it, when there are others behind it.
    last_id: Option<String>,
    count: usize,
}

impl App {
    /// Takes the next page of what a part of the index is made of into it, beside what the stream brings. Goes on where
    /// the build for the order's label was left; a label that is another than the last one's begins anew, unless that
    /// one was ordered later.
    ///
    /// # Errors
    /// When the database or another service does not answer; the page comes again then.
    #[tracing::instrument(name = "search.build_page", skip_all, err(level = "debug"))]
    pub async fn build_page(&self, part: Part, order: &BuildOrder) -> Result<Progress, Error> {
        let label = order.label.as_str();
        let Some(build) = store::build_for(&mut *self.pool.get().await?, part, order, self.clock.now()).await? else {
            tracing::info!(part = part.as_str(), label, "a process that started later has another index built");
            return Ok(Progress::Superseded);
        };
        if build.is_ended {
            return Ok(Progress::Ended);
        }
        let page = match part {
            Part::Messages => self.build_messages(&build).await?,
            Part::People => self.build_people(&build).await?,
            Part::Channels => self.build_channels(&build).await?,
        };
        let ended_at = page.last_id.is_none().then(|| self.clock.now());
        let (after_id, last_id) = (build.after_id.as_str(), page.last_id.as_deref().unwrap_or_default());
        let taken = TakenPage { part, after_id, last_id, count: page.count, ended_at };
        store::note_page(&mut *self.pool.get().await?, label, &taken).await?;
        let count = u64::try_from(page.count).unwrap_or(u64::MAX);
        metrics::counter!("godwit_search_built_total", "part" => part.as_str()).increment(count);
        if ended_at.is_none() {
            return Ok(Progress::More);
        }
        tracing::info!(part = part.as_str(), label, count = build.taken_count.saturating_add_unsigned(count), "built");
        Ok(Progress::Ended)
    }

    /// Takes away what is left of the index of the release before, which held texts.
    ///
    /// # Errors
    /// When the database refuses or does not answer.
    pub async fn forget_texts(&self) -> Result<(), Error> {
        Ok(store::forget_texts(&mut *self.pool.get().await?).await?)
    }

    /// A message is as new as the last update of its chat was when it was read: what the stream brings of before
    /// changes nothing. What is there no more is taken out.
    async fn build_messages(&self, build: &Build) -> Result<Page, Error> {
        let begun_at = self.clock.now();
        let page = self.logs.list_all(&build.after_id).await?;
        let ids: Vec<MessageId> = page.messages.iter().filter_map(id_of).collect();
        let last = ids.last().filter(|_| page.has_more).copied();
        let changes: Vec<MessageChange> = page.messages.into_iter().filter_map(change_of).collect();
        let mut connection = self.pool.get().await?;
        store::write(&mut connection, &changes, Source::Build).await?;
        let after = build.after_id.parse().ok();
        store::remove_others(&mut connection, after, last, &ids, begun_at - GRACE).await?;
        Ok(Page { last_id: last.map(|id| id.to_string()), count: ids.len() })
    }

    async fn build_people(&self, build: &Build) -> Result<Page, Error> {
        let page = self.people.list_all(&build.after_id).await?;
        let user_ids: Vec<UserId> = page.user_ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.refresh_people(&user_ids).await?;
        let last_id = page.user_ids.into_iter().next_back().filter(|_| page.has_more);
        Ok(Page { last_id, count: user_ids.len() })
    }

    /// What the stream says of a channel is newer than any list.
    async fn build_channels(&self, build: &Build) -> Result<Page, Error> {
        let page = self.chats.list_channels(&build.after_id).await?;
        let entry = |chat_id: &str, info: Option<&ChatInfo>| {
            let info = info?;
            let names = folded(&format!("{} {}", info.handle, info.title));
            Some(ChannelEntry {
                chat_id: chat_id.parse().ok()?,
                version: Seq::ZERO,
                handle: info.handle.clone(),
                names,
            })
        };
        let listed = page.channels.iter().filter_map(|channel| entry(&channel.chat_id, channel.info.as_ref()));
        let entries: Vec<ChannelEntry> = listed.filter(|entry| !entry.names.contains('\0')).collect();
        self.keep_channels(&entries).await?;
        let last_id = page.channels.into_iter().next_back().map(|channel| channel.chat_id).filter(|_| page.has_more);
        Ok(Page { last_id, count: entries.len() })
    }
}

fn id_of(listed: &ListedMessage) -> Option<MessageId> {
    listed.message.as_ref()?.id.parse().ok()
}

/// A message that breaks a limit is left out: it cannot be found, and nothing else waits for it.
fn change_of(listed: ListedMessage) -> Option<MessageChange> {
    let version = Seq::new(listed.as_of_seq)?;
    match indexed(listed.epoch, &listed.message?) {
        Ok(message) => Some(MessageChange { version, state: MessageState::There(message) }),
        Err(problem) => {
            tracing::warn!(problem, "a message cannot be indexed");
            None
        }
    }
}
