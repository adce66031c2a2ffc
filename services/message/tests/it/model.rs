//! Random histories: sends, resends, conflicts, edits, deletions, reactions, pins, receipts, events, processes that die
//! between commit and publish, time that passes, and a client that follows the rule with whatever of live it gets: updates
//! are lost, come twice, late and in any order. In the end the client has the server's log, the log has everything that was
//! acknowledged, once, and what the updates say is what the server says, from the beginning and from any snapshot on.

mod reader;
mod state;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_live::Channel;
use godwit_message::domain::AccountCursor;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use time::Duration;

use self::reader::{Fate, Reader, shuffle};
use self::state::State;
use crate::append::{commit, message};
use crate::harness::{Bed, Client, Listener, Replica, created, message_in, seqs, user};

const CHATS: usize = 3;
const SENDERS: usize = 2;

#[derive(Clone, Debug)]
enum Op {
    Send { chat: usize, sender: usize, replica: usize },
    Resend { pick: usize, replica: usize },
    Conflict { pick: usize, replica: usize },
    Burst { chat: usize, count: usize },
    Edit { pick: usize, replica: usize },
    Reply { pick: usize, replica: usize },
    Delete { pick: usize, replica: usize },
    React { pick: usize, emoji: usize, replica: usize },
    Pin { pick: usize, is_pinned: bool, replica: usize },
    Read { chat: usize, sender: usize, seq: u64 },
    Snapshot { chat: usize },
    Event { chat: usize, replica: usize },
    Crash { chat: usize, sender: usize, count: usize },
    TimePasses,
    StreamSwitches,
    Receive { fates: u64, order: u64 },
    SyncChat { chat: usize, limit: u32 },
    SyncAccount { limit: u32, replica: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let (chat, sender, replica) = (0..CHATS, 0..SENDERS, 0..2_usize);
    prop_oneof![
        4 => (chat.clone(), sender.clone(), replica.clone()).prop_map(|(chat, sender, replica)| Op::Send { chat, sender, replica }),
        2 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Resend { pick, replica }),
        1 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Conflict { pick, replica }),
        2 => (chat.clone(), 2..12_usize).prop_map(|(chat, count)| Op::Burst { chat, count }),
        2 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Edit { pick, replica }),
        2 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Reply { pick, replica }),
        2 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Delete { pick, replica }),
        2 => (any::<usize>(), 0..3_usize, replica.clone()).prop_map(|(pick, emoji, replica)| Op::React { pick, emoji, replica }),
        2 => (any::<usize>(), any::<bool>(), replica.clone()).prop_map(|(pick, is_pinned, replica)| Op::Pin { pick, is_pinned, replica }),
        2 => (chat.clone(), sender.clone(), 0..30_u64).prop_map(|(chat, sender, seq)| Op::Read { chat, sender, seq }),
        1 => chat.clone().prop_map(|chat| Op::Snapshot { chat }),
        1 => (chat.clone(), replica.clone()).prop_map(|(chat, replica)| Op::Event { chat, replica }),
        2 => (chat.clone(), sender, 1..4_usize).prop_map(|(chat, sender, count)| Op::Crash { chat, sender, count }),
        1 => Just(Op::TimePasses),
        1 => Just(Op::StreamSwitches),
        3 => (any::<u64>(), any::<u64>()).prop_map(|(fates, order)| Op::Receive { fates, order }),
        1 => (chat, 1..6_u32).prop_map(|(chat, limit)| Op::SyncChat { chat, limit }),
        3 => (1..9_u32, replica).prop_map(|(limit, replica)| Op::SyncAccount { limit, replica }),
    ]
}

struct World<'a> {
    bed: &'a Bed,
    replicas: &'a [Replica],
    chats: Vec<ChatId>,
    senders: Vec<UserId>,
    reading: UserId,
    reader: Reader,
    listener: Listener,
    late: Vec<pb::Update>,
    /// What was acknowledged: chat, sender, name and text, with the seq where it is known.
    acked: Vec<(usize, usize, String, Option<u64>)>,
    replies: Vec<(usize, usize, String, u64)>,
    /// Those of them that were deleted, or may have been.
    deleted: BTreeSet<String>,
    snapshots: Vec<(usize, u64, State)>,
    names: usize,
    is_down: bool,
}

impl<'a> World<'a> {
    async fn new(bed: &'a Bed, replicas: &'a [Replica]) -> Self {
        let (senders, reading): (Vec<UserId>, UserId) = ((0..SENDERS).map(|_| user()).collect(), user());
        let cursor = replicas[0].client(reading).sync("", 0).await.unwrap().next_cursor;
        let members: Vec<UserId> = senders.iter().copied().chain([reading]).collect();
        let mut chats = Vec::new();
        for _ in 0..CHATS {
            chats.push(bed.chat(&replicas[0], &members).await);
        }
        let channels: Vec<Channel> = chats.iter().map(|id| Channel::Chat(*id)).collect();
        let listener = bed.listen(&channels).await;
        let reader = Reader { cursor, ..Reader::default() };
        Self {
            bed,
            replicas,
            chats,
            senders,
            reading,
            reader,
            listener,
            late: Vec::new(),
            acked: Vec::new(),
            replies: Vec::new(),
            deleted: BTreeSet::new(),
            snapshots: Vec::new(),
            names: 0,
            is_down: false,
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn client(&self, sender: usize, replica: usize) -> Client {
        self.replicas[replica].client(self.senders[sender])
    }

    fn picked(&self, pick: usize) -> Option<(usize, usize, String, Option<u64>)> {
        self.acked.get(pick.checked_rem(self.acked.len())?).cloned()
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Send { chat, sender, replica } => {
                let name = self.name();
                let sent = self.client(sender, replica).send_until_acked(self.chats[chat], &name, &name).await;
                self.acked.push((chat, sender, name, Some(sent.seq)));
            }
            Op::Resend { pick, replica } => {
                let Some((chat, sender, name, seq)) = self.picked(pick) else { return };
                let again = self.client(sender, replica).send_until_acked(self.chats[chat], &name, &name).await;
                assert!(seq.is_none_or(|seq| seq == again.seq), "a resend returns the first result");
            }
            Op::Conflict { pick, replica } => {
                let Some((chat, sender, name, _)) = self.picked(pick) else { return };
                if self.deleted.contains(&name) {
                    return;
                }
                let refused = self.client(sender, replica).send(self.chats[chat], &name, "other").await.unwrap_err();
                assert_eq!(refused.code(), tonic::Code::AlreadyExists);
            }
            Op::Burst { chat, count } => self.burst(chat, count).await,
            Op::Edit { pick, .. }
            | Op::Reply { pick, .. }
            | Op::Delete { pick, .. }
            | Op::React { pick, .. }
            | Op::Pin { pick, .. } => self.act(pick, op).await,
            Op::Read { chat, sender, seq } => {
                self.client(sender, chat % 2).read(self.chats[chat], seq).await.unwrap();
            }
            Op::Snapshot { chat } => {
                let (seq, state) = State::fresh(&self.replicas[0].client(self.reading), self.chats[chat]).await;
                self.snapshots.push((chat, seq, state));
            }
            Op::Event { chat, replica } => {
                let update = created(self.chats[chat], &[]);
                self.replicas[replica].app.append_update(update.clone()).await.unwrap();
                self.replicas[1 - replica].app.append_update(update).await.unwrap();
            }
            Op::Crash { chat, sender, count } => {
                let names: Vec<String> = (0..count).map(|_| self.name()).collect();
                let sender_id = self.senders[sender];
                let entries: Vec<_> =
                    names.iter().map(|name| message(self.chats[chat], sender_id, name, name)).collect();
                commit(&mut self.bed.pool.get().await.unwrap(), &entries).await;
                self.acked.extend(names.into_iter().map(|name| (chat, sender, name, None)));
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

    /// Something is done to a message; what is deleted is done nothing to.
    async fn act(&mut self, pick: usize, op: Op) {
        let Some((chat, sender, name, Some(seq))) = self.picked(pick) else { return };
        let chat_id = self.chats[chat];
        let id = MessageId { chat_id, seq: Seq::new(seq).unwrap() }.to_string();
        let other = 1 - sender;
        let result = match op {
            Op::Edit { replica, .. } => {
                let text = self.name();
                self.client(sender, replica).edit(&id, &text).await.map(drop)
            }
            Op::Reply { replica, .. } => {
                let reply = self.name();
                let request = api::SendMessageRequest {
                    chat_id: chat_id.to_string(),
                    client_message_id: reply.clone(),
                    text: reply.clone(),
                    reply_to_message_id: id,
                    ..Default::default()
                };
                let sent = self.client(other, replica).send_full(request).await;
                sent.map(|sent| {
                    assert!(!sent.reply_to.unwrap().is_deleted);
                    // Of its own content no resend is tried: it is not a plain text.
                    self.replies.push((chat, other, reply, sent.seq));
                })
            }
            Op::Delete { replica, .. } => {
                self.deleted.insert(name.clone());
                self.client(other, replica).delete(&id).await
            }
            Op::React { emoji, replica, .. } => self.client(other, replica).react(&id, ["", "👍", "🎉"][emoji]).await,
            Op::Pin { is_pinned: true, replica, .. } => self.client(other, replica).pin(chat_id, &id).await,
            Op::Pin { replica, .. } => self.client(other, replica).unpin(chat_id, &id).await,
            _ => Ok(()),
        };
        if let Err(refused) = result {
            assert!(self.deleted.contains(&name), "{refused:?}");
            assert_eq!(refused.code(), tonic::Code::NotFound);
        }
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
            self.acked.push((chat, number % SENDERS, name, Some(sent[2 * number].seq)));
        }
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
        let client = self.replicas[0].client(self.reading);
        loop {
            let page = client.sync_chat(chat_id, self.reader.local(chat_id), limit, "").await.unwrap();
            assert!(!page.reset);
            for update in page.updates {
                assert!(!self.reader.apply(update), "sync leaves no gap");
            }
            if !page.has_more {
                return;
            }
        }
    }

    /// One page; whether there is more.
    async fn sync_account(&mut self, limit: u32, replica: usize) -> bool {
        let page = self.replicas[replica].client(self.reading).sync(&self.reader.cursor, limit).await.unwrap();
        assert!(!page.reset);
        for chat in page.chats {
            for update in chat.updates {
                assert!(!self.reader.apply(update), "what an account cursor covers is never needed again");
            }
        }
        self.reader.cursor = page.next_cursor;
        page.has_more
    }

    async fn check(&mut self) {
        self.bed.stream.bring_up();
        // The round under way, and one over what came during it.
        while self.sync_account(5, 0).await {}
        while self.sync_account(5, 1).await {}
        for update in std::mem::take(&mut self.late) {
            assert!(!self.reader.apply(update), "what comes late is known");
        }
        for (chat, chat_id) in self.chats.iter().enumerate() {
            let server = self.replicas[0].client(self.reading).whole_log(*chat_id, 1_000).await;
            assert_eq!(seqs(&server), (1..=server.len() as u64).collect::<Vec<u64>>());
            let local = &self.reader.logs[&chat_id.to_string()];
            assert_eq!(seqs(local), seqs(&server), "the client has the server's log");
            let (_, fresh) = State::fresh(&self.replicas[0].client(self.reading), *chat_id).await;
            for (log, from, mut state) in self
                .snapshots
                .iter()
                .filter(|snapshot| snapshot.0 == chat)
                .map(|(_, seq, state)| (&server, *seq, state.clone()))
                .chain([(local, 0, State::default()), (&server, 0, State::default())])
            {
                log.iter().filter(|update| update.seq > from).for_each(|update| state.apply(update));
                assert_eq!(state, fresh, "what updates after {from} say is what the server says");
            }
            self.check_unread(*chat_id, &fresh).await;
            let mut said: Vec<(String, String)> = Vec::new();
            for message in server.iter().filter_map(message_in) {
                said.push((message.sender_id, message.client_message_id));
            }
            said.sort();
            let mut expected: Vec<(String, String)> = Vec::new();
            for (_, sender, name, seq) in self.acked.iter().filter(|acked| acked.0 == chat) {
                expected.push((self.senders[*sender].to_string(), name.clone()));
                if let Some(seq) = seq {
                    let at = message_in(&server[usize::try_from(*seq).unwrap() - 1]).unwrap();
                    assert_eq!(at.client_message_id, *name, "an acknowledged message stays where it was acknowledged");
                }
            }
            for (_, sender, name, seq) in self.replies.iter().filter(|reply| reply.0 == chat) {
                expected.push((self.senders[*sender].to_string(), name.clone()));
                let at = message_in(&server[usize::try_from(*seq).unwrap() - 1]).unwrap();
                assert_eq!(at.client_message_id, *name, "a reply stays where it was acknowledged");
            }
            expected.sort();
            assert_eq!(said, expected, "everything acknowledged is there once");
        }
    }
}

impl World<'_> {
    /// What is unread to each member is what a recount of the messages says, whichever replica counts.
    async fn check_unread(&self, chat_id: ChatId, state: &State) {
        for (number, member) in self.senders.iter().chain([&self.reading]).enumerate() {
            let head = self.replicas[number % 2].client(*member).head(chat_id).await;
            let own = member.to_string();
            let is_unread = |message: &&pb::Message| message.sender_id != own && message.seq > head.read_seq;
            let recount = state.messages.values().filter(is_unread).count();
            assert_eq!(head.unread_count as usize, recount, "unread counts are those of a recount");
        }
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
