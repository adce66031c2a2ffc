//! Everything between "an update arrived" and "the application was told": the logs of all chats, and the REST calls
//! that begin, repair and continue them, one at a time.

mod answers;

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::time::{Duration, Instant};

use godwit_contract::chat::v1::{ListChatsRequest, ListChatsResponse};
use godwit_contract::message::v1::{ChatUpdates, SyncRequest, SyncResponse};
use godwit_contract::v1::{Chat, Update};
use godwit_kernel::ChatId;

use super::deferred::Deferred;
use super::events::{Item, Outlet};
use super::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::Error;
use crate::log::{ChatLog, Offered};
use crate::snapshot::Snapshot;

/// A chat that is new to this client is told from its beginning when that is at most so far back; else it is loaded.
const TOLD_FROM_BEGINNING: u64 = 1_000;
const CHATS_PAGE: u32 = 200;
const UPDATES_PAGE: u32 = 500;
/// Of the whole account: who was away for a moment gets everything in one answer; after longer the server gives less.
const ACCOUNT_PAGE: u32 = 10_000;

/// A call to make, or a step between calls.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    /// Get a cursor for the account as it is now.
    Begin,
    /// Load the chats from this page of the list on.
    ListChats { list: List, page: String },
    /// Tell the application that everything up to this cursor was told, and continue from it.
    Commit { cursor: String },
    /// Get what changed in all chats.
    SyncAccount,
    /// Get the next updates of one chat.
    SyncChat(ChatId),
    /// Get a chat whose log cannot be continued.
    LoadChat(ChatId),
}

/// The lists that all chats are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Active,
    Archived,
}

/// What a call answered.
#[derive(Debug)]
enum Answer {
    Account(SyncResponse),
    Chats(ListChatsResponse),
    Updates(Option<ChatUpdates>),
    Chat(Option<Box<Chat>>),
}

type Call = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// A finished call.
pub(super) struct Finished(Result<Answer, Error>);

/// The session is over: no call can succeed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionOver;

/// The logs and the calls.
pub(super) struct Sync {
    client: Client,
    /// Whose connection it is.
    user_id: String,
    logs: HashMap<ChatId, ChatLog>,
    /// Chats whose log has a repair due.
    gaps: HashSet<ChatId>,
    /// Chats that are about to be loaded: what arrives for them is synced after that.
    loading: HashSet<ChatId>,
    cursor: String,
    jobs: VecDeque<Job>,
    running: Option<(Job, Call)>,
    backoff: Backoff,
    resume_at: Option<Instant>,
    /// What failed for one chat, and waits by itself: nothing else waits for it but to say that all was told.
    deferred: Deferred<Job>,
    /// Everything up to this cursor is told once nothing is deferred any more.
    owed_cursor: Option<String>,
    /// The chats that the lists have named, while they are read because the account is begun.
    listed: Option<HashSet<ChatId>>,
    interval: Duration,
    account_due_at: Instant,
    /// Live deliveries were dropped because the application was behind.
    has_dropped: bool,
    /// What no log holds may have been missed.
    wants_state: bool,
    /// Some of it was told live since it was asked for: the answer may be older.
    has_newer_state: bool,
}

impl Sync {
    pub(super) fn new(client: Client, snapshot: &Snapshot, interval: Duration, now: Instant) -> Self {
        let logs =
            snapshot.chats.iter().filter_map(|(id, position)| Some((id.parse().ok()?, ChatLog::at(position.clone()))));
        // What came or went when the application ended.
        let loading: HashSet<ChatId> = snapshot.to_load.iter().filter_map(|id| id.parse().ok()).collect();
        Self {
            user_id: client.session().map(|session| session.user_id).unwrap_or_default(),
            client,
            logs: logs.collect(),
            gaps: HashSet::new(),
            cursor: snapshot.cursor.clone(),
            jobs: loading.iter().copied().map(Job::LoadChat).collect(),
            loading,
            running: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            resume_at: None,
            deferred: Deferred::new(),
            owed_cursor: None,
            listed: None,
            interval,
            account_due_at: now + interval,
            has_dropped: false,
            wants_state: false,
            has_newer_state: false,
        }
    }

    /// A socket is open: from here on live deliveries arrive, so what was missed can be fetched.
    pub(super) fn connected(&mut self, now: Instant) {
        self.resume_at = None;
        self.wants_state = true;
        self.resync(now);
        self.take_up_deferred(None);
    }

    /// Something that no log holds was told live, or is not told because the application is behind: then it is asked for.
    pub(super) fn note_state(&mut self, is_told: bool) {
        self.has_newer_state = true;
        if !is_told {
            self.wants_state = true;
            self.has_dropped = true;
        }
    }

    /// Live deliveries may have been lost: fetch what changed.
    pub(super) fn resync(&mut self, now: Instant) {
        self.account_due_at = now + self.interval;
        let job = if self.cursor.is_empty() { Job::Begin } else { Job::SyncAccount };
        self.queue_last(job);
    }

    /// The same, but the server spreads its clients: this one fetches after a pause, if it does not before for another
    /// reason.
    pub(super) fn resync_after(&mut self, pause: Duration, now: Instant) {
        self.wants_state = true;
        if pause.is_zero() {
            self.resync(now);
        } else {
            self.account_due_at = self.account_due_at.min(now + pause);
        }
    }

    /// The socket is lost. A running call is made again after the next connect.
    pub(super) fn disconnected(&mut self) {
        if let Some((job, _)) = self.running.take() {
            self.jobs.push_front(job);
        }
    }

    /// Whether nothing is known to be missing.
    pub(super) fn is_caught_up(&self) -> bool {
        self.jobs.is_empty() && self.running.is_none() && !self.has_dropped && self.deferred.is_empty()
    }

    /// A chat's log has come to a seq, by an update that is only given when it is asked for.
    pub(super) fn advanced(&mut self, chat_id: &str, seq: u64, outlet: &Outlet) {
        let Ok(chat_id) = chat_id.parse() else { return };
        if self.cursor.is_empty() || self.loading.contains(&chat_id) {
            return;
        }
        if !outlet.has_room() {
            self.has_dropped = true;
            return;
        }
        if self.is_new_and_far(chat_id, seq) {
            self.load(chat_id);
        } else if self.logs.get(&chat_id).is_none_or(|log| log.position().seq < seq) {
            let job = self.repair_job(chat_id);
            // Also while a sync runs, which may have been answered before.
            if !self.jobs.contains(&job) {
                self.jobs.push_back(job);
            }
        }
    }

    /// Takes a live delivery.
    pub(super) fn offer(&mut self, update: Update, outlet: &mut Outlet, now: Instant) {
        let Ok(chat_id) = update.chat_id.parse() else { return };
        // Without a cursor the account is just being loaded; what arrives now comes again by the sync after that.
        if self.cursor.is_empty() || self.loading.contains(&chat_id) {
            return;
        }
        if !outlet.has_room() {
            self.has_dropped = true;
            return;
        }
        if self.is_new_and_far(chat_id, update.seq) {
            self.load(chat_id);
            return;
        }
        match self.logs.entry(chat_id).or_default().offer(update, now) {
            Offered::Applied(updates) => self.tell(updates, outlet),
            Offered::Ignored | Offered::Waiting => {}
            Offered::Reset => self.load(chat_id),
        }
        self.note_gap(chat_id);
    }

    /// Starts the next call, if there is one, none runs and the application has room for its answer.
    pub(super) fn start(&mut self, outlet: &mut Outlet, now: Instant) {
        if !outlet.has_room() {
            return;
        }
        if self.has_dropped {
            self.has_dropped = false;
            self.resync(now);
        }
        while self.running.is_none() && self.resume_at.is_none_or(|resume_at| resume_at <= now) {
            match self.jobs.pop_front() {
                None => return,
                Some(Job::Commit { cursor }) => self.commit(cursor, outlet),
                Some(job) => {
                    self.resume_at = None;
                    let call = self.call(&job);
                    self.running = Some((job, call));
                }
            }
        }
    }

    fn commit(&mut self, cursor: String, outlet: &mut Outlet) {
        self.cursor.clone_from(&cursor);
        self.owed_cursor = Some(cursor);
        self.tell_cursor(outlet);
        // Of what no list has named something may be here from before.
        let Some(listed) = self.listed.take() else { return };
        let unlisted: Vec<ChatId> = self.logs.keys().filter(|chat_id| !listed.contains(chat_id)).copied().collect();
        for chat_id in unlisted {
            self.load(chat_id);
        }
    }

    /// A cursor says that all before it was told: not while something of it is deferred.
    fn tell_cursor(&mut self, outlet: &mut Outlet) {
        if self.deferred.is_empty()
            && let Some(cursor) = self.owed_cursor.take()
        {
            outlet.push(Item::Cursor(cursor));
        }
    }

    /// Waits for the running call; for ever when there is none. Cancel-safe.
    pub(super) async fn finished(&mut self) -> Finished {
        match &mut self.running {
            Some((_, call)) => Finished(call.await),
            None => std::future::pending().await,
        }
    }

    /// Takes the answer of the call that ran.
    pub(super) fn finish(&mut self, done: Finished, outlet: &mut Outlet, now: Instant) -> Result<(), SessionOver> {
        let Some((job, _)) = self.running.take() else { return Ok(()) };
        match done.0 {
            Ok(answer) => {
                self.backoff.reset();
                if let Job::SyncChat(chat_id) | Job::LoadChat(chat_id) = &job
                    && self.deferred.has(chat_id, &job)
                {
                    self.deferred.remove(chat_id);
                }
                self.take(&job, answer, outlet, now);
                if self.jobs.is_empty() {
                    self.tell_cursor(outlet);
                }
                Ok(())
            }
            Err(Error::LoggedOut) => Err(SessionOver),
            Err(error) => {
                self.failed(job, &error, outlet, now);
                Ok(())
            }
        }
    }

    /// When [`Self::on_due`] has something to do.
    pub(super) fn due_at(&self, now: Instant) -> Instant {
        let gaps = self.gaps.iter().filter_map(|chat_id| self.logs.get(chat_id)?.repair_due_at());
        // One that is over waits for room, not for the time.
        let resume = self.resume_at.filter(|resume_at| *resume_at > now);
        gaps.chain(resume).chain(self.deferred.due_after(now)).fold(self.account_due_at, Instant::min)
    }

    /// Queues what became due.
    pub(super) fn on_due(&mut self, now: Instant) {
        let is_due = |log: &ChatLog| log.repair_due_at().is_some_and(|due_at| due_at <= now);
        let due = self.gaps.iter().filter(|chat_id| self.logs.get(chat_id).is_some_and(is_due));
        for chat_id in due.copied().collect::<Vec<_>>() {
            self.repair(chat_id);
        }
        self.take_up_deferred(Some(now));
        if self.account_due_at <= now {
            self.resync(now);
        }
    }

    /// They stay deferred until they succeed.
    fn take_up_deferred(&mut self, until: Option<Instant>) {
        for job in self.deferred.due_by(until) {
            let is_running = self.running.as_ref().is_some_and(|(running, _)| *running == job);
            if !is_running && !self.jobs.contains(&job) {
                self.jobs.push_back(job);
            }
        }
    }

    fn call(&mut self, job: &Job) -> Call {
        let client = self.client.clone();
        match job {
            Job::Begin | Job::SyncAccount | Job::Commit { .. } => {
                let cursor = if *job == Job::Begin { String::new() } else { self.cursor.clone() };
                let with_state = self.wants_state && *job == Job::SyncAccount;
                self.has_newer_state = false;
                let request = SyncRequest { cursor, limit: ACCOUNT_PAGE, with_state };
                Box::pin(async move { client.sync(&request).await.map(Answer::Account) })
            }
            Job::ListChats { list, page } => {
                let request = ListChatsRequest {
                    limit: CHATS_PAGE,
                    cursor: page.clone(),
                    is_archived: *list == List::Archived,
                    folder_id: String::new(),
                };
                Box::pin(async move { client.list_chats(&request).await.map(Answer::Chats) })
            }
            Job::SyncChat(chat_id) => {
                let chat_id = *chat_id;
                let position = self.logs.get(&chat_id).map(|log| log.position().clone()).unwrap_or_default();
                Box::pin(async move {
                    client.sync_chat(chat_id, &position, UPDATES_PAGE).await.map(|answer| Answer::Updates(answer.chat))
                })
            }
            Job::LoadChat(chat_id) => {
                let chat_id = *chat_id;
                Box::pin(
                    async move { client.get_chat(chat_id).await.map(|answer| Answer::Chat(answer.chat.map(Box::new))) },
                )
            }
        }
    }

    /// Makes a call again, not before the pause that the server named.
    fn again(&mut self, job: Job, at_least: Duration, now: Instant) {
        self.queue_first(vec![job]);
        self.resume_at = Some(now + at_least + self.backoff.pause(self.client.entropy()));
    }

    /// Makes a call for one chat again by itself. Everything waits for a moment: it may be the server that fails.
    fn defer(&mut self, chat_id: ChatId, job: Job, at_least: Duration, now: Instant) {
        let entropy = self.client.entropy();
        // A chat that is to be loaded is synced after that.
        if job == Job::LoadChat(chat_id) || !self.deferred.has(&chat_id, &Job::LoadChat(chat_id)) {
            self.deferred.put(chat_id, job, at_least, now, entropy);
        }
        self.resume_at = Some(now + self.backoff.pause(entropy));
    }

    fn is_new_and_far(&self, chat_id: ChatId, seq: u64) -> bool {
        seq > TOLD_FROM_BEGINNING && !self.logs.contains_key(&chat_id)
    }

    fn repair(&mut self, chat_id: ChatId) {
        let job = self.repair_job(chat_id);
        self.queue_last(job);
    }

    fn repair_job(&mut self, chat_id: ChatId) -> Job {
        self.logs.entry(chat_id).or_default().begin_repair();
        self.gaps.remove(&chat_id);
        Job::SyncChat(chat_id)
    }

    fn load(&mut self, chat_id: ChatId) {
        if let Some(job) = self.load_job(chat_id) {
            self.queue_last(job);
        }
    }

    /// `None` when it is about to be loaded anyway.
    fn load_job(&mut self, chat_id: ChatId) -> Option<Job> {
        self.loading.insert(chat_id).then_some(Job::LoadChat(chat_id))
    }

    fn note_gap(&mut self, chat_id: ChatId) {
        let is_due = self.logs.get(&chat_id).is_some_and(|log| log.repair_due_at().is_some());
        if is_due {
            self.gaps.insert(chat_id);
        } else {
            self.gaps.remove(&chat_id);
        }
    }

    fn queue_last(&mut self, job: Job) {
        if let Job::SyncChat(chat_id) | Job::LoadChat(chat_id) = &job
            && self.deferred.has(chat_id, &job)
        {
            return;
        }
        let is_running = self.running.as_ref().is_some_and(|(running, _)| *running == job && job != Job::SyncAccount);
        if !is_running && !self.jobs.contains(&job) {
            self.jobs.push_back(job);
        }
    }

    /// Before everything else, in this order. A job that stands further back already comes sooner now.
    fn queue_first(&mut self, jobs: Vec<Job>) {
        self.jobs.retain(|queued| !jobs.contains(queued));
        for job in jobs.into_iter().rev() {
            self.jobs.push_front(job);
        }
    }
}
