//! Random histories of a chat with open history, a group whose new members do not see what was before, and a channel: sends,
//! resends, conflicts, edits, deletions, what one deletes for oneself, reactions, pins, receipts, events, somebody who leaves
//! and comes back, processes that die between commit and publish, time that passes, and a client that follows the rule with
//! whatever of live it gets: updates are lost, come twice, late and in any order. In the end the client has the server's log,
//! the log has everything that was acknowledged, once, and what the updates say is what the server says, from the beginning
//! and from any snapshot on.

mod check;
mod op;
mod reader;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_live::Channel;
use godwit_message::domain::AccountCursor;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use time::Duration;

use self::op::{Act, Op, op};
use self::reader::{Fate, Reader, Step, shuffle};
use self::state::State;
use crate::append::{commit, message};
use crate::harness::{Bed, Client, Listener, Replica, created, user};

const CHATS: usize = 3;
/// The one that the reader comes to later than the others.
const GROUP: usize = 1;
const CHANNEL: usize = 2;
/// Those who write: of the group and the channel the owner and an admin.
const SENDERS: usize = 2;
/// With the one who reads.
const PEOPLE: usize = SENDERS + 1;

struct World<'a> {
    bed: &'a Bed,
    replicas: &'a [Replica],
    chats: Vec<ChatId>,
    /// The senders, and the one who reads.
    people: Vec<UserId>,
    reader: Reader,
    listener: Listener,
    late: Vec<pb::Update>,
    acked: Vec<Acked>,
    replies: Vec<Acked>,
    /// The names of those that were deleted, or may have been.
    deleted: BTreeSet<String>,
    /// Who has which of them deleted for themselves.
    hidden: BTreeSet<(usize, String)>,
    /// The chats whose history the reader has deleted for themselves.
    cleared: BTreeSet<usize>,
    snapshots: Vec<Snapshot>,
    names: usize,
    is_down: bool,
}

/// A message that was acknowledged; `seq` where it is known.
#[derive(Clone)]
struct Acked {
    chat: usize,
    sender: usize,
    name: String,
    seq: Option<u64>,
}

/// What the server said of a chat, where its log stood then, and the reader's own.
struct Snapshot {
    chat: usize,
    seq: u64,
    own_seq: u64,
    state: State,
}

impl<'a> World<'a> {
    async fn new(bed: &'a Bed, replicas: &'a [Replica]) -> Self {
        let people: Vec<UserId> = (0..PEOPLE).map(|_| user()).collect();
        let (senders, reading) = (&people[..SENDERS], people[SENDERS]);
        let direct = bed.chat(&replicas[0], &people).await;
        let group = bed.chat_as(&replicas[0], pb::ChatKind::Group, senders).await;
        let channel = bed.chat_as(&replicas[0], pb::ChatKind::Channel, &people).await;
        for chat_id in [group, channel] {
            bed.chats.promote(chat_id, senders[1]);
        }
        let early = replicas[0].client(senders[0]).send(group, "early", "not for who comes later").await.unwrap();
        let chats = vec![direct, group, channel];
        let mut channels: Vec<Channel> = chats.iter().map(|id| Channel::Chat(*id)).collect();
        channels.push(Channel::User(reading));
        let listener = bed.listen(&channels).await;
        let cursor = replicas[0].client(reading).sync("", 0).await.unwrap().next_cursor;
        bed.join(&replicas[0], group, reading, true).await;
        let mut world = Self {
            bed,
            replicas,
            chats,
            reader: Reader { user_id: reading.to_string(), logs: BTreeMap::new(), early: BTreeMap::new(), cursor },
            people,
            listener,
            late: Vec::new(),
            acked: vec![Acked { chat: GROUP, sender: 0, name: "early".to_owned(), seq: Some(early.seq) }],
            replies: Vec::new(),
            deleted: BTreeSet::new(),
            hidden: BTreeSet::new(),
            cleared: BTreeSet::new(),
            snapshots: Vec::new(),
            names: 0,
            is_down: false,
        };
        world.begin(GROUP).await;
        world
    }

    fn reading(&self) -> Client {
        self.client(SENDERS, 0)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn client(&self, who: usize, replica: usize) -> Client {
        self.replicas[replica].client(self.people[who])
    }

    fn picked(&self, pick: usize) -> Option<Acked> {
        self.acked.get(pick.checked_rem(self.acked.len())?).cloned()
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Send { chat, sender, replica } => {
                let name = self.name();
                let sent = self.client(sender, replica).send_until_acked(self.chats[chat], &name, &name).await;
                self.acked.push(Acked { chat, sender, name, seq: Some(sent.seq) });
            }
            Op::Resend { pick, replica } => {
                let Some(Acked { chat, sender, name, seq }) = self.picked(pick).filter(|acked| acked.name != "early")
                else {
                    return;
                };
                let again = self.client(sender, replica).send_until_acked(self.chats[chat], &name, &name).await;
                assert!(seq.is_none_or(|seq| seq == again.seq), "a resend returns the first result");
            }
            Op::Conflict { pick, replica } => {
                let Some(Acked { chat, sender, name, .. }) = self.picked(pick) else { return };
                if self.deleted.contains(&name) {
                    return;
                }
                let refused = self.client(sender, replica).send(self.chats[chat], &name, "other").await.unwrap_err();
                assert_eq!(refused.code(), tonic::Code::AlreadyExists);
            }
            Op::Burst { chat, count } => self.burst(chat, count).await,
            Op::Act { pick, who, act, replica } => self.act(pick, who, act, replica).await,
            Op::Read { chat, who, seq } => {
                self.client(who, chat % 2).read(self.chats[chat], seq).await.unwrap();
            }
            Op::Clear { chat } => {
                self.reading().clear(self.chats[chat]).await.unwrap();
                self.cleared.insert(chat);
            }
            Op::Rejoin { is_history_hidden } => self.rejoin(is_history_hidden).await,
            Op::Snapshot { chat } => self.snapshot(chat).await,
            Op::Event { chat, replica } => {
                let update = created(self.chats[chat], &[]);
                self.replicas[replica].app.append_update(update.clone()).await.unwrap();
                self.replicas[1 - replica].app.append_update(update).await.unwrap();
            }
            // A policy of before somebody left is refused, as it must be.
            Op::Crash { chat: GROUP, .. } => {}
            Op::Crash { chat, sender, count } => {
                let names: Vec<String> = (0..count).map(|_| self.name()).collect();
                let entries: Vec<_> =
                    names.iter().map(|name| message(self.chats[chat], self.people[sender], name, name)).collect();
                commit(&mut self.bed.pool.get().await.unwrap(), &entries).await;
                self.acked.extend(names.into_iter().map(|name| Acked { chat, sender, name, seq: None }));
            }
            Op::TimePasses => self.time_passes().await,
            Op::StreamSwitches => {
                self.is_down = !self.is_down;
                if self.is_down { self.bed.stream.take_down() } else { self.bed.stream.bring_up() }
            }
            Op::Receive { fates, order } => self.receive(fates, order).await,
            Op::SyncChat { chat, limit } => self.sync_chat(self.chats[chat], limit).await,
            Op::SyncAccount { limit, replica } => {
                self.sync_account(limit, replica).await;
            }
        }
    }

    /// Something is done to a message. What is deleted is done nothing to, nor what who does it does not see.
    async fn act(&mut self, pick: usize, who: usize, act: Act, replica: usize) {
        let Some(Acked { chat, sender, name, seq: Some(seq) }) = self.picked(pick) else { return };
        let chat_id = self.chats[chat];
        let id = MessageId { chat_id, seq: Seq::new(seq).unwrap() }.to_string();
        // Only who sent it may edit it.
        let who = if matches!(act, Act::Edit) { sender } else { who };
        let client = self.client(who, replica);
        let is_seen = !self.deleted.contains(&name)
            && !self.hidden.contains(&(who, name.clone()))
            && !(who == SENDERS && (chat == GROUP || self.cleared.contains(&chat)));
        let result = match act {
            Act::Edit => {
                let text = self.name();
                client.edit(&id, &text).await.map(drop)
            }
            Act::Reply => self.reply(chat, who, replica, &id).await,
            Act::Delete => {
                self.deleted.insert(name.clone());
                client.delete(&id).await
            }
            Act::Hide => {
                self.hidden.insert((who, name));
                client.hide(&id).await
            }
            Act::React(emoji) => client.react(&id, emoji).await,
            Act::Pin => client.pin(chat_id, &id).await,
            Act::Unpin => client.unpin(chat_id, &id).await,
        };
        if let Err(refused) = result {
            assert!(!is_seen, "{refused:?}");
            assert_eq!(refused.code(), tonic::Code::NotFound);
        }
    }

    async fn reply(&mut self, chat: usize, who: usize, replica: usize, id: &str) -> Result<(), tonic::Status> {
        let name = self.name();
        let request = api::SendMessageRequest {
            chat_id: self.chats[chat].to_string(),
            client_message_id: name.clone(),
            text: name.clone(),
            reply_to_message_id: id.to_owned(),
            ..Default::default()
        };
        let sent = self.client(who, replica).send_full(request).await?;
        assert!(!sent.reply_to.unwrap().is_deleted);
        // Of its own content no resend is tried: it is not a plain text.
        self.replies.push(Acked { chat, sender: who, name, seq: Some(sent.seq) });
        Ok(())
    }

    /// Every send comes twice, to both replicas at once.
    async fn burst(&mut self, chat: usize, count: usize) {
        let names: Vec<String> = (0..count).map(|_| self.name()).collect();
        let sends = names.iter().enumerate().flat_map(|(number, name)| {
            let clients = [self.client(number % SENDERS, 0), self.client(number % SENDERS, 1)];
            let chat_id = self.chats[chat];
            clients.map(|client| async move { client.send_until_acked(chat_id, name, name).await })
        });
        let sent = join_all(sends).await;
        for (number, name) in names.into_iter().enumerate() {
            assert_eq!(sent[2 * number], sent[2 * number + 1]);
            self.acked.push(Acked { chat, sender: number % SENDERS, name, seq: Some(sent[2 * number].seq) });
        }
    }

    /// The reader leaves the group and is taken in again, of which the client may hear or not.
    async fn rejoin(&self, is_history_hidden: bool) {
        let (group, reading) = (self.chats[GROUP], self.people[SENDERS]);
        self.bed.leave(&self.replicas[0], group, reading).await;
        assert_eq!(self.reading().read(group, 1).await.unwrap_err().code(), tonic::Code::NotFound);
        self.bed.join(&self.replicas[1], group, reading, is_history_hidden).await;
    }

    /// What the server says now, and where the log stands.
    async fn fresh(&self, who: usize, chat: usize, replica: usize) -> (u64, State) {
        let (seq, mut state) = State::fresh(&self.client(who, replica), self.people[who], self.chats[chat]).await;
        if chat == CHANNEL {
            // The chat service leaves them out of what it shows of a channel.
            state.receipts.clear();
        }
        (seq, state)
    }

    async fn snapshot(&mut self, chat: usize) {
        let own = self.people[SENDERS].as_uuid();
        let own_seq = format!("SELECT coalesce(max(last_seq), 0) FROM chat_heads WHERE chat_id = '{own}'");
        let own_seq = u64::try_from(self.bed.number(&own_seq).await).unwrap();
        let (seq, state) = self.fresh(SENDERS, chat, 0).await;
        self.snapshots.push(Snapshot { chat, seq, own_seq, state });
    }

    /// The client has nothing of a chat any more but what the server says now.
    async fn begin(&mut self, chat: usize) {
        self.snapshots.retain(|snapshot| snapshot.chat != chat);
        self.snapshot(chat).await;
        let seq = self.snapshots.last().unwrap().seq;
        self.reader.begin(self.chats[chat], seq);
    }

    async fn time_passes(&mut self) {
        self.bed.age("1 hour").await;
        let mut cursor = AccountCursor::decode(&self.reader.cursor).unwrap();
        cursor.given_until -= Duration::HOUR;
        if let Some(round) = &mut cursor.round {
            round.gives_until -= Duration::HOUR;
        }
        self.reader.cursor = cursor.encode();
    }

    /// What live has brought, each update with its fate, in any order; who then still waits for a missing one syncs.
    async fn receive(&mut self, fates: u64, order: u64) {
        let mut updates = std::mem::take(&mut self.late);
        for (number, update) in self.listener.arrived().into_iter().enumerate() {
            match Fate::of(fates, number) {
                Fate::Lost => {}
                Fate::Once => updates.push(update),
                Fate::Twice => updates.extend([update.clone(), update]),
                Fate::Late => self.late.push(update),
            }
        }
        shuffle(&mut updates, order);
        for update in updates {
            self.reader.hear(update);
        }
        let waiting: BTreeSet<String> =
            std::mem::take(&mut self.reader.early).into_keys().map(|(chat_id, _)| chat_id).collect();
        for chat_id in waiting {
            self.sync_chat(chat_id.parse().unwrap(), 3).await;
        }
    }

    async fn sync_chat(&mut self, chat_id: ChatId, limit: u32) {
        loop {
            let client = self.reading();
            let page = client.sync_chat(chat_id, self.reader.local(chat_id), limit, "").await.unwrap();
            let mut is_over = page.reset;
            for update in page.updates {
                let step = self.reader.apply(update);
                assert_ne!(step, Step::Gap, "sync leaves no gap");
                is_over |= step == Step::IsOut;
            }
            if is_over {
                assert_eq!(chat_id, self.chats[GROUP], "nobody left another chat");
                return self.begin(GROUP).await;
            }
            if !page.has_more {
                return;
            }
        }
    }

    /// One page; whether there is more.
    async fn sync_account(&mut self, limit: u32, replica: usize) -> bool {
        let page = self.client(SENDERS, replica).sync(&self.reader.cursor, limit).await.unwrap();
        assert!(!page.reset);
        self.reader.cursor = page.next_cursor;
        for chat in page.chats {
            let chat_id: ChatId = chat.chat_id.parse().unwrap();
            let mut steps = Vec::new();
            for update in chat.updates {
                steps.push(self.reader.apply(update));
            }
            if steps.contains(&Step::Gap) || steps.contains(&Step::IsOut) {
                assert_eq!(chat_id, self.chats[GROUP], "what an account cursor covers is never needed again");
                self.sync_chat(chat_id, limit).await;
            }
        }
        page.has_more
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_follows_the_rule_ends_with_the_servers_log() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(op(), 1..40);
    // A history takes seconds where the stream goes down, so a failing one is not made shorter for long.
    let options =
        ProptestConfig { cases: 40, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() };
    tokio::task::block_in_place(|| {
        TestRunner::new(options)
            .run(&histories, |history| {
                runtime.block_on(async {
                    let mut world = World::new(&bed, &replicas).await;
                    for op in history {
                        world.run(op).await;
                    }
                    world.check().await;
                });
                Ok(())
            })
            .unwrap();
    });
    bed.drained().await;
}
