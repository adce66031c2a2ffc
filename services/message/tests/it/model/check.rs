use godwit_contract::v1 as pb;
use godwit_kernel::ChatId;

use super::state::State;
use super::{Acked, GROUP, PEOPLE, SENDERS, Step, World};
use crate::harness::{message_in, seqs};

impl World<'_> {
    /// What must hold in the end.
    pub async fn check(&mut self) {
        self.bed.stream.bring_up();
        // The round under way, and one over what came during it.
        while self.sync_account(5, 0).await {}
        while self.sync_account(5, 1).await {}
        for update in std::mem::take(&mut self.late) {
            assert_ne!(self.reader.apply(update), Step::Gap, "what comes late is known");
        }
        for (chat, chat_id) in self.chats.clone().into_iter().enumerate() {
            // Who was there from the beginning may see all of it.
            let server = self.client(0, 0).whole_log(chat_id, 1_000).await;
            assert_eq!(seqs(&server), (1..=server.len() as u64).collect::<Vec<u64>>());
            self.check_acked(chat, &server);
            self.check_state(chat, chat_id, &server).await;
            self.check_unread(chat).await;
        }
    }

    fn check_acked(&self, chat: usize, server: &[pb::Update]) {
        let mut said: Vec<(String, String)> = Vec::new();
        for message in server.iter().filter_map(message_in) {
            said.push((message.sender_id, message.client_message_id));
        }
        said.sort();
        let mut expected: Vec<(String, String)> = Vec::new();
        for Acked { sender, name, seq, .. } in self.acked.iter().chain(&self.replies).filter(|acked| acked.chat == chat)
        {
            expected.push((self.people[*sender].to_string(), name.clone()));
            if let Some(seq) = seq {
                let at = message_in(&server[usize::try_from(*seq).unwrap() - 1]).unwrap();
                assert_eq!(at.client_message_id, *name, "an acknowledged message stays where it was acknowledged");
            }
        }
        expected.sort();
        assert_eq!(said, expected, "everything acknowledged is there once");
    }

    /// What the client has is what the server has, whichever snapshot it began with.
    async fn check_state(&self, chat: usize, chat_id: ChatId, server: &[pb::Update]) {
        let kept = &self.reader.logs[&chat_id.to_string()];
        let since: Vec<u64> = seqs(server).into_iter().filter(|seq| *seq > kept.begins_after).collect();
        assert_eq!(seqs(&kept.updates), since, "the client has the server's log");
        let viewer = self.people[SENDERS];
        let (_, fresh) = self.fresh(SENDERS, chat, 0).await;
        let mut begun: Vec<(u64, u64, State)> = Vec::new();
        for snapshot in self.snapshots.iter().filter(|snapshot| snapshot.chat == chat) {
            begun.push((snapshot.seq, snapshot.own_seq, snapshot.state.clone()));
        }
        if chat != GROUP {
            begun.push((0, 0, State::empty(chat_id, viewer)));
        }
        assert!(!begun.is_empty());
        for (seq, own_seq, mut state) in begun {
            let mut from_server = state.clone();
            self.reader.after(&chat_id.to_string(), seq).for_each(|update| state.apply(update));
            server.iter().filter(|update| update.seq > seq).for_each(|update| from_server.apply(update));
            for state in [&mut state, &mut from_server] {
                self.reader.after(&viewer.to_string(), own_seq).for_each(|update| state.apply(update));
                assert_eq!(*state, fresh, "what updates after {seq} say is what the server says");
            }
        }
    }

    /// What is unread to each member is what a recount of the messages says, whichever replica counts.
    async fn check_unread(&self, chat: usize) {
        for who in 0..PEOPLE {
            let (_, state) = self.fresh(who, chat, who % 2).await;
            let unread = self.client(who, who % 2).head(self.chats[chat]).await.unread_count;
            assert_eq!(unread as usize, state.unread_count(), "unread counts are those of a recount");
        }
    }
}
