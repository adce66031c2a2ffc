use std::collections::BTreeMap;

use godwit_contract::v1::{ChatDeleted, update};
use godwit_events::Record;
use godwit_kernel::{ChatId, Entropy};
use godwit_testkit::TestEntropy;

use crate::world::{World, record};

/// So many messages are there, about: then as many go as come.
const MESSAGES: usize = 60;
const CHATS: usize = 5;

/// What people do all day: they send, edit and delete, at random and the same each time.
pub struct Chatter<'a> {
    world: &'a World,
    chats: Vec<ChatId>,
    heads: BTreeMap<ChatId, u64>,
    there: Vec<(ChatId, u64)>,
    entropy: TestEntropy,
    word_count: u32,
}

impl<'a> Chatter<'a> {
    pub fn new(world: &'a World) -> Self {
        let chats = (0..CHATS).map(|_| world.chat_of(&[])).collect();
        let (heads, there, entropy) = (BTreeMap::new(), Vec::new(), TestEntropy::seeded(11));
        Self { world, chats, heads, there, entropy, word_count: 0 }
    }

    /// Something happens: the message service has it when this returns, and the stream is yet to bring its record.
    pub fn go_on(&mut self) -> Record {
        let text = self.text();
        if self.there.len() < MESSAGES {
            let chat_id = *self.chats.get(self.below(CHATS)).unwrap();
            let seq = self.next_seq(chat_id);
            self.there.push((chat_id, seq));
            return record(&self.world.chats.commit(chat_id, seq, || self.world.update(chat_id, seq, &text)));
        }
        let place = self.below(self.there.len());
        let (chat_id, of) = *self.there.get(place).unwrap();
        let seq = self.next_seq(chat_id);
        if self.below(2) == 0 {
            return record(&self.world.chats.commit(chat_id, seq, || self.world.edit(chat_id, of, seq, &text)));
        }
        self.there.swap_remove(place);
        record(&self.world.chats.commit(chat_id, seq, || self.world.delete(chat_id, of, seq)))
    }

    /// One of the chats is gone, with all that was said in it.
    pub fn end_a_chat(&mut self) -> Record {
        let chat_id = *self.chats.first().unwrap();
        let seq = self.next_seq(chat_id);
        for (_, of) in self.there.extract_if(.., |(chat, _)| *chat == chat_id) {
            self.world.delete(chat_id, of, seq);
        }
        record(&self.world.other(chat_id, seq, update::Change::ChatDeleted(ChatDeleted {})))
    }

    /// With a word that no other text has.
    fn text(&mut self) -> String {
        self.word_count += 1;
        format!("the tide number w{}", self.word_count)
    }

    fn next_seq(&mut self, chat_id: ChatId) -> u64 {
        let head = self.heads.entry(chat_id).or_insert(1);
        *head += 1;
        *head
    }

    fn below(&self, bound: usize) -> usize {
        let entropy: &dyn Entropy = &self.entropy;
        usize::try_from(entropy.below(u32::try_from(bound).unwrap())).unwrap()
    }
}
