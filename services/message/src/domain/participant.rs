use godwit_kernel::Seq;
use time::OffsetDateTime;

/// Where a member of a chat stands in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Participant {
    /// The update by which they came; nothing before it is unread to them.
    pub joined_seq: Seq,
    /// Nothing before it is for them.
    pub visible_from_seq: Seq,
    /// How far they have read.
    pub read_seq: Seq,
    /// How far the log has reached a device of theirs; at least what they have read.
    pub delivered_seq: Seq,
    /// Messages up to it are deleted for them.
    pub cleared_seq: Seq,
    /// When they last sent; only in chats with slow mode.
    pub last_sent_at: Option<OffsetDateTime>,
}

/// How far somebody has come; neither ever goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// Everything up to it is read.
    pub read_seq: Seq,
    /// Everything up to it has reached a device.
    pub delivered_seq: Seq,
}

impl Participant {
    /// Their cursors.
    pub const fn cursors(&self) -> Cursors {
        Cursors { read_seq: self.read_seq, delivered_seq: self.delivered_seq }
    }

    /// Their cursors when they have come to `asked`, as far as the log goes.
    pub fn advanced_to(&self, asked: Cursors, head: Seq) -> Cursors {
        let read_seq = self.read_seq.max(asked.read_seq.min(head));
        let delivered_seq = self.delivered_seq.max(asked.delivered_seq.min(head)).max(read_seq);
        Cursors { read_seq, delivered_seq }
    }
}
