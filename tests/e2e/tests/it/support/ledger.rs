use std::collections::{HashMap, HashSet};

use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};

/// What was acknowledged, kept by the senders, against what the log holds in the end.
#[derive(Default)]
pub struct Ledger {
    /// By client message id: the seq that the acknowledgement named.
    acknowledged: HashMap<String, u64>,
}

impl Ledger {
    /// Notes an acknowledgement. Two of them for one client message id must name the same message.
    #[track_caller]
    pub fn note(&mut self, message: &Message) {
        let first = self.acknowledged.insert(message.client_message_id.clone(), message.seq);
        assert!(first.is_none_or(|seq| seq == message.seq), "{} was acknowledged twice", message.client_message_id);
    }

    pub fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// Nothing acknowledged is missing from `log`, nothing is there twice, and its seqs have no gap.
    #[track_caller]
    pub fn assert_kept_by(&self, log: &[Update]) {
        let seqs: Vec<u64> = log.iter().map(|update| update.seq).collect();
        let expected: Vec<u64> = (1..).take(seqs.len()).collect();
        assert_eq!(seqs, expected, "seqs are 1, 2, 3 … without gap or repeat");

        let mut held = HashMap::new();
        for update in log {
            if let Some(Change::MessageCreated(created)) = &update.change {
                let message = created.message.as_ref().expect("the update has the message");
                let earlier = held.insert(message.client_message_id.clone(), message.seq);
                assert_eq!(earlier, None, "{} is in the log twice", message.client_message_id);
            }
        }
        let lost: HashSet<_> =
            self.acknowledged.iter().filter(|(id, seq)| held.get(*id) != Some(seq)).map(|(id, _)| id).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged messages are lost: {lost:?}", lost.len(), self.len());
    }
}
