//! What becomes of what the calls answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use godwit_contract::chat::v1::ListChatsResponse;
use godwit_contract::message::v1::{ChatUpdates, SyncResponse};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Chat, ChatJoined, ChatLeft, Update};
use godwit_kernel::ChatId;

use super::{Answer, Job, List, Sync};
use crate::connection::events::{Event, Outlet};
use crate::error::Error;
use crate::log::{ChatLog, Next, Position};

impl Sync {
    pub(super) fn take(&mut self, job: &Job, answer: Answer, outlet: &mut Outlet, now: Instant) {
        match (job, answer) {
            (Job::Begin, Answer::Account(answer)) => self.begin(answer),
            (_, Answer::Account(answer)) if answer.reset => self.begin(answer),
            (_, Answer::Account(answer)) => self.take_account(answer, outlet, now),
            (Job::ListChats { list, .. }, Answer::Chats(answer)) => self.take_chats(*list, answer, outlet),
            (Job::SyncChat(chat_id), Answer::Updates(Some(page))) => {
                let jobs: Vec<_> = self.take_page(*chat_id, page, outlet, now).into_iter().collect();
                self.queue_first(jobs);
            }
            (Job::LoadChat(chat_id), Answer::Chat(Some(chat))) => {
                self.loading.remove(chat_id);
                self.logs.insert(*chat_id, ChatLog::at(position_of(&chat)));
                self.gaps.remove(chat_id);
                outlet.tell(Event::ChatLoaded(chat));
                // What arrived while it was loaded was not taken.
                self.repair(*chat_id);
            }
            // An answer without its content: the same as one that did not come.
            (job, Answer::Chats(_) | Answer::Updates(_) | Answer::Chat(_)) => {
                self.again(job.clone(), Duration::ZERO, now);
            }
        }
    }

    /// Loads the chats, then continues from the answer's cursor: whatever happens after that cursor comes by sync,
    /// also what a chat's snapshot holds already.
    fn begin(&mut self, answer: SyncResponse) {
        self.listed = Some(HashSet::new());
        self.queue_first(vec![
            Job::ListChats { list: List::Active, page: String::new() },
            Job::ListChats { list: List::Archived, page: String::new() },
            Job::Commit { cursor: answer.next_cursor },
            Job::SyncAccount,
        ]);
    }

    fn take_account(&mut self, answer: SyncResponse, outlet: &mut Outlet, now: Instant) {
        let mut jobs = Vec::new();
        for page in answer.chats {
            let Ok(chat_id) = page.chat_id.parse() else { continue };
            let job = self.take_page(chat_id, page, outlet, now);
            // The cursor says that all of this page was told: a gap must be closed before it is committed.
            let has_gap = self.logs.get(&chat_id).is_some_and(ChatLog::has_gap);
            jobs.extend(job.or_else(|| has_gap.then(|| self.repair_job(chat_id))));
        }
        let is_outdated = answer.state.is_some() && self.has_newer_state;
        if let Some(state) = answer.state.filter(|_| !is_outdated) {
            self.wants_state = false;
            outlet.tell(Event::State(Box::new(state)));
        }
        let has_moved = answer.next_cursor != self.cursor;
        jobs.push(Job::Commit { cursor: answer.next_cursor });
        if is_outdated && !answer.has_more {
            jobs.push(Job::SyncAccount);
        }
        if answer.has_more && has_moved {
            jobs.push(Job::SyncAccount);
        }
        self.queue_first(jobs);
    }

    /// Tells what is next of a page; returns what must be done before anything else of this chat.
    fn take_page(&mut self, chat_id: ChatId, page: ChatUpdates, outlet: &mut Outlet, now: Instant) -> Option<Job> {
        let first_seq = page.updates.first().map_or(0, |update| update.seq);
        if self.is_new_and_far(chat_id, first_seq) {
            return self.load_job(chat_id);
        }
        let page = self.logs.entry(chat_id).or_default().take_page(page, now);
        self.tell(page.applied, outlet);
        let job = match page.next {
            Next::Done => None,
            Next::More => Some(self.repair_job(chat_id)),
            Next::Reset => self.load_job(chat_id),
        };
        self.note_gap(chat_id);
        job
    }

    /// Word that the user came to a chat or left it may be older than what else is known: the chat is asked for. So it is when
    /// they came to a group: it begins with a snapshot, though they may have been there before.
    pub(super) fn tell(&mut self, updates: Vec<Update>, outlet: &mut Outlet) {
        for update in updates {
            if let Some(Change::ChatJoined(ChatJoined { chat_id }) | Change::ChatLeft(ChatLeft { chat_id, .. })) =
                &update.change
                && let Ok(chat_id) = chat_id.parse()
            {
                self.load(chat_id);
            }
            if let Some(Change::MembersAdded(added)) = &update.change
                && added.members.iter().any(|member| member.user_id == self.user_id)
                && let Ok(chat_id) = update.chat_id.parse()
            {
                self.load(chat_id);
            }
            outlet.tell(Event::Update(Box::new(update)));
        }
    }

    fn take_chats(&mut self, list: List, answer: ListChatsResponse, outlet: &mut Outlet) {
        let mut jobs = Vec::new();
        for chat in answer.chats {
            let Ok(chat_id) = chat.id.parse() else { continue };
            if let Some(listed) = &mut self.listed {
                listed.insert(chat_id);
            }
            let position = position_of(&chat);
            match self.logs.get(&chat_id) {
                Some(log) if *log.position() == position => {}
                Some(_) => jobs.push(self.repair_job(chat_id)),
                None => {
                    self.logs.insert(chat_id, ChatLog::at(position));
                    outlet.tell(Event::ChatLoaded(Box::new(chat)));
                }
            }
        }
        if !answer.next_cursor.is_empty() {
            jobs.push(Job::ListChats { list, page: answer.next_cursor });
        }
        self.queue_first(jobs);
    }

    pub(super) fn failed(&mut self, job: Job, error: &Error, outlet: &mut Outlet, now: Instant) {
        tracing::debug!(error = error as &dyn std::error::Error, ?job, "a sync failed");
        let pause = error.retry_after().unwrap_or_default();
        match (&job, error.status()) {
            (Job::SyncChat(chat_id) | Job::LoadChat(chat_id), Some(403 | 404)) => {
                let chat_id = *chat_id;
                self.gaps.remove(&chat_id);
                self.deferred.remove(&chat_id);
                let was_to_load = self.loading.remove(&chat_id);
                if self.logs.remove(&chat_id).is_some() || was_to_load {
                    outlet.tell(Event::ChatGone(chat_id));
                }
                self.tell_cursor(outlet);
            }
            (Job::SyncChat(chat_id) | Job::LoadChat(chat_id), _) => {
                let chat_id = *chat_id;
                self.defer(chat_id, job, pause, now);
            }
            // The server does not know the cursor, or the list's page: begin again.
            (Job::SyncAccount, Some(400)) => self.again(Job::Begin, pause, now),
            (Job::ListChats { list, .. }, Some(400)) => {
                let list = *list;
                self.again(Job::ListChats { list, page: String::new() }, pause, now);
            }
            _ => self.again(job, pause, now),
        }
    }
}

fn position_of(chat: &Chat) -> Position {
    Position { seq: chat.seq, epoch: chat.epoch.clone() }
}
